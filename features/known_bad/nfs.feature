Feature: NFS exports that break their promises
  What an administrator may do wrong with an NFS server, each seen at the storage or in what was acknowledged.

  @known_bad @storage
  Scenario: Heartbeat cut without fencing lets two nodes write to one export
    Given the topology "ledger-iscsi" is up and "ledger" is answering, with
      """
      fencing: {method: none}
      storage: {iscsi: null, nfs: {server: san-01, exports: [{name: data}]}}
      services:
        ledger:
          group:
            - {kind: filesystem, export: data, mountpoint: /srv/ledger}
            - {kind: vip, address: 192.168.97.244}
            - {kind: daemon, name: ledger, agent: "ocf:fenceline:ledger"}
      """
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "single VIP owner" is expected to break
    When the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "single writer" is broken within 40 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds

  @known_bad @storage
  Scenario: An asynchronous export loses acknowledged records with the server's power
    Given the topology "ledger-iscsi" is up and "ledger" is answering, with
      """
      storage: {iscsi: null, nfs: {server: san-01, exports: [{name: data, sync: false}]}}
      services:
        ledger:
          group:
            - {kind: filesystem, export: data, mountpoint: /srv/ledger, monitor: 0s}
            - {kind: vip, address: 192.168.97.244}
            - {kind: daemon, name: ledger, agent: "ocf:fenceline:ledger", monitor: 0s}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the power of the storage host is cut
    And the storage host is switched on
    Then "ledger" answers within 60 seconds
    And acknowledged records of "ledger" are lost

  @known_bad @storage @fencing
  Scenario: A highly available server with an asynchronous export loses acknowledged records
    Given the topology "ha-nfs" is up and "nfs" is answering, with
      """
      services:
        nfs:
          group:
            - {kind: filesystem, lun: data, mountpoint: /srv/nfs}
            - {kind: daemon, name: nfs-server}
            - {kind: export, sync: false}
            - {kind: vip, address: 192.168.72.244}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 50 records have been acknowledged by "nfs" within 30 seconds
    And the power of the active node is cut
    Then "nfs" relocates to the standby within 45 seconds
    And acknowledged records of "nfs" are lost
