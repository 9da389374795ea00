Feature: A cache that loses what was synced
  The service acknowledges what is only in its node's memory. Whoever trusts it learns so when the power is cut.

  @known_bad @storage
  Scenario: Acknowledged records in a write cache are lost with the power
    Given the topology "ledger-iscsi" is up and "ledger" is answering, with
      """
      services:
        ledger:
          group:
            - {kind: filesystem, lun: data, mountpoint: /srv/ledger}
            - {kind: vip, address: 192.168.97.244}
            - {kind: daemon, name: ledger, agent: "ocf:fenceline:ledger", sync: false}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the power of the active node is cut
    Then "ledger" relocates to the standby within 30 seconds
    And acknowledged records of "ledger" are lost

  @known_bad @storage
  Scenario: Committed rows that are in the database's log buffer only are lost with the power
    Given the topology "mysql-iscsi" is up and "mysql" is answering, with
      """
      services:
        mysql:
          group:
            - {kind: vip, address: 192.168.61.150}
            - {kind: filesystem, lun: data, mountpoint: /data}
            - {kind: daemon, name: mariadb, sync: false}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the power of the active node is cut
    Then "mysql" relocates to the standby within 30 seconds
    And acknowledged records of "mysql" are lost

  @known_bad @storage
  Scenario: Committed rows that are in the log buffer of a database on DRBD only are lost with the power
    Given the topology "mysql-drbd" is up and "mysql" is answering, with
      """
      services:
        mysql:
          group:
            - {kind: filesystem, drbd: r, mountpoint: /data}
            - {kind: vip, address: 192.168.62.150}
            - {kind: daemon, name: mariadb, sync: false}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the power of the active node is cut
    Then "mysql" relocates to the standby within 60 seconds
    And acknowledged records of "mysql" are lost
