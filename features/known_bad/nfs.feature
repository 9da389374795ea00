Feature: NFS exports that break their promises
  What an administrator may do wrong with an NFS server, each seen at the storage or in what was acknowledged. A client
  sends its page again with every record, and so mends what a server has lost: only what is on an earlier page is gone,
  hence so many records. And it believes its own cache: who comes anew sees what is left.

  @known_bad @storage
  Scenario: Heartbeat cut without fencing lets two nodes write to one export
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {method: none}
      storage: {iscsi: null, nfs: {server: san-01, exports: [{name: www}]}}
      services:
        web:
          group:
            - {kind: filesystem, export: www, mountpoint: /srv/www}
            - {kind: vip, address: 192.168.98.244}
            - {kind: daemon, name: nginx}
      """
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "single writer" is broken within 40 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds

  @known_bad @storage
  Scenario: An asynchronous export loses acknowledged records with the server's power
    Given the topology "ledger-iscsi" is up and "ledger" is answering, with
      """
      nodes: {san-01: {rc_local: ["echo 0 > /proc/sys/vm/dirty_writeback_centisecs"]}}
      storage: {iscsi: null, nfs: {server: san-01, exports: [{name: data, sync: false}]}}
      services:
        ledger:
          group:
            - {kind: filesystem, export: data, mountpoint: /srv/ledger, monitor: 0s}
            - {kind: vip, address: 192.168.97.244}
            - {kind: daemon, name: ledger, agent: "ocf:fenceline:ledger", monitor: 0s}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 500 records have been acknowledged by "ledger" within 90 seconds
    And the power of the storage host is cut
    And the storage host is switched on
    Then "ledger" answers within 60 seconds
    When "ledger" is moved to the standby
    Then "ledger" relocates to the standby within 40 seconds
    And acknowledged records of "ledger" are lost

  @known_bad @storage @fencing
  Scenario: A highly available server with an asynchronous export loses acknowledged records
    Given the topology "ha-nfs" is up and "nfs" is answering, with
      """
      nodes: {nfs-01: {rc_local: ["echo 0 > /proc/sys/vm/dirty_writeback_centisecs"]}}
      services:
        nfs:
          group:
            - {kind: filesystem, lun: data, mountpoint: /srv/nfs}
            - {kind: daemon, name: nfs-server, monitor: 5s}
            - {kind: export, sync: false}
            - {kind: vip, address: 192.168.72.244}
      """
    And the promise "no lost acknowledgement" is expected to break
    When 500 records have been acknowledged by "nfs" within 90 seconds
    And the power of the active node is cut
    Then "nfs" relocates to the standby within 45 seconds
    When the client is reset
    Then "nfs" answers within 60 seconds
    And acknowledged records of "nfs" are lost
