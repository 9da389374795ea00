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
