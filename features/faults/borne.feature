Feature: Small troubles
  What a cluster must bear without fencing anybody and without moving anything.

  Scenario: Clocks, names, sessions, queues and administrators
    Given the topology "web-iscsi" is up and "web" is answering
    When the clock of the standby jumps ahead by 60 seconds and back, every 0.5 seconds
    And all faults are healed
    And no name server answers the standby
    And all faults are healed
    And the iSCSI session of the standby breaks, and begins again
    And all faults are healed
    And 10 % of the packets of the standby on the heartbeat network are lost, 3 in a row
    And all faults are healed
    And the packets of the standby on the heartbeat network are held, and delivered every 200 ms
    And all faults are healed
    And the property "cluster-recheck-interval" of the cluster is changed to "73s"
    And all faults are healed
    And "web" is forbidden to run on the standby
    And "web" is allowed to run on the standby again
    Then nobody is fenced for 2 seconds
    And "web" stays on the active node for 1 second

  Scenario: The iSCSI session of the active node is reset, under what is mounted
    Given the topology "web-iscsi" is up and "web" is answering
    When the iSCSI session of the active node breaks, and begins again
    Then nobody is fenced for 8 seconds
    And "web" stays on the active node for 1 second
    And the file system was never mounted on two nodes

  @quorum
  Scenario: The quorum device is lost and comes back
    Given the topology "web-iscsi-qdevice" is up and "web" is answering
    When the quorum device stops
    Then nobody is fenced for 3 seconds
    And "web" stays on the active node for 1 second
    When the quorum device is started again
    Then the cluster is whole again within 30 seconds
    And no service ran without quorum

  Scenario: The ping node is lost for both, which is no reason to go anywhere
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    When the ping node client answers no ping
    Then "web" stays on the active node for 8 seconds
    And the VIP never had two owners
