Feature: The NFS server
  The cluster's data is on an NFS server. What becomes of the service when that is restarted, hangs, or gives out other
  file handles; and that only one node writes to an export.

  @storage
  Scenario Outline: The NFS server is restarted
    Given the topology "<topology>" is up and "<service>" is answering
    When the NFS server is restarted
    Then "<service>" stays on the active node for 5 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

    Examples:
      | topology          | service |
      | web-nfs-heartbeat | web     |

  @storage
  Scenario: The NFS server hangs, and goes on
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    When the NFS server hangs
    Then "web" stops answering within 60 seconds
    When the NFS server goes on
    Then "web" answers within 30 seconds
    And the file system was never mounted on two nodes

  @storage
  Scenario: The NFS server's machine hangs, and wakes up
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    When the storage host hangs
    Then "web" stops answering within 60 seconds
    When the storage host wakes up
    Then "web" answers within 30 seconds
    And the file system was never mounted on two nodes

  @storage
  Scenario: Stale file handles
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    When the file handles of the NFS server's clients are stale
    Then "web" stops answering within 30 seconds
    When the NFS server has its old exports again
    Then "web" answers within 30 seconds

  @storage @fencing
  Scenario: No record on an NFS export is lost when the power of the active node is cut
    Given the topology "ledger-iscsi" is up and "ledger" is answering, with
      """
      storage: {iscsi: null, nfs: {server: san-01, exports: [{name: data}]}}
      services:
        ledger:
          group:
            - {kind: filesystem, export: data, mountpoint: /srv/ledger}
            - {kind: vip, address: 192.168.97.244}
            - {kind: daemon, name: ledger, agent: "ocf:fenceline:ledger"}
      """
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the power of the active node is cut
    Then "ledger" relocates to the standby within 30 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And no acknowledged record of "ledger" is lost
    And the shared disk never had two writers

  @storage
  Scenario: A writer waits while the NFS server is away
    Given the topology "ledger-iscsi" is up and "ledger" is answering, with
      """
      storage: {iscsi: null, nfs: {server: san-01, exports: [{name: data}]}}
      services:
        ledger:
          group:
            - {kind: filesystem, export: data, mountpoint: /srv/ledger, monitor: 0s}
            - {kind: vip, address: 192.168.97.244}
            - {kind: daemon, name: ledger, agent: "ocf:fenceline:ledger"}
      """
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the NFS server is away for 3 seconds
    Then 20 more records are acknowledged by "ledger" within 40 seconds
    And no acknowledged record of "ledger" is lost
    And nobody is fenced
