Feature: A file system that all nodes mount
  R4: two nodes mount one GFS2, and both write. A node that loses the other must freeze, not corrupt, until the lost one
  is fenced; then it goes on.

  @storage
  Scenario Outline: Both nodes write, and both read the same
    Given the topology "<topology>" is up and "farm" is answering
    When 50 records have been acknowledged by "farm" on every node within 60 seconds
    Then every node reads the same of "farm"
    And no acknowledged record of "farm" is lost

    Examples:
      | topology   |
      | gfs2-iscsi |
      | gfs2-drbd  |

  @storage @fencing
  Scenario Outline: The power of one node is cut: the other freezes until it is fenced, then goes on
    Given the topology "<topology>" is up and "farm" is answering
    When 20 records have been acknowledged by "farm" on every node within 60 seconds
    And the power of the second node is cut
    Then "farm" is written through the first node again within 40 seconds
    And the cluster file system froze until the lost node was fenced
    When all faults are healed
    Then the cluster is whole again within 120 seconds
    And every node reads the same of "farm"
    And no acknowledged record of "farm" is lost

    Examples:
      | topology   |
      | gfs2-iscsi |
      | gfs2-drbd  |

  @storage @fencing
  Scenario Outline: The heartbeat is cut: one is fenced, the other goes on
    Given the topology "<topology>" is up and "farm" is answering
    When 20 records have been acknowledged by "farm" on every node within 60 seconds
    And the heartbeat network of the second node is cut
    Then the second node is fenced within 30 seconds
    And "farm" is written through the first node again within 40 seconds
    And the cluster file system froze until the lost node was fenced
    When all faults are healed
    Then the cluster is whole again within 120 seconds
    And every node reads the same of "farm"
    And no acknowledged record of "farm" is lost

    Examples:
      | topology   |
      | gfs2-iscsi |
      | gfs2-drbd  |

  @storage @fencing
  Scenario: A node hangs and is fenced
    Given the topology "gfs2-iscsi" is up and "farm" is answering
    When 20 records have been acknowledged by "farm" on every node within 60 seconds
    And the second node hangs
    Then the second node is fenced within 30 seconds
    And "farm" is written through the first node again within 40 seconds
    And the cluster file system froze until the lost node was fenced
    When all faults are healed
    Then the cluster is whole again within 120 seconds
    And every node reads the same of "farm"

  @storage @fencing
  Scenario: While the lost node can't be fenced, the other stays frozen
    Given the topology "gfs2-iscsi" is up and "farm" is answering
    And the fencing device of the second node does not answer
    When the power of the second node is cut
    And the first node has lost sight of the second node within 20 seconds
    Then "farm" is frozen on the first node for 20 seconds
    When the fencing device of the second node works again
    Then "farm" is written through the first node again within 90 seconds
    And the cluster file system froze until the lost node was fenced

  @storage @fencing
  Scenario: Fencing is switched off in Pacemaker: the lock manager has the lost node fenced all the same
    Given the topology "gfs2-iscsi" is up and "farm" is answering
    When fencing is switched off in the cluster's configuration
    And the power of the second node is cut
    Then "farm" is written through the first node again within 40 seconds
    And the cluster file system froze until the lost node was fenced

  @storage
  Scenario: Without any fencing device, the other stays frozen until the lost node comes back
    Given the topology "gfs2-iscsi" is up and "farm" is answering, with
      """
      fencing: {method: none}
      services: {farm: {failover_budget: 60s}}
      """
    When the power of the second node is cut
    And the first node has lost sight of the second node within 20 seconds
    Then "farm" is frozen on the first node for 30 seconds
    When the second node is switched on
    Then "farm" is written through the first node again within 90 seconds
    And the cluster file system froze until the lost node was fenced
    And no acknowledged record of "farm" is lost

  @storage
  Scenario: Without any fencing device, the operator who looked says that the lost node is off
    Given the topology "gfs2-iscsi" is up and "farm" is answering, with
      """
      fencing: {method: none}
      """
    When the power of the second node is cut
    And the first node has lost sight of the second node within 20 seconds
    Then "farm" is frozen on the first node for 5 seconds
    When the operator tells the first node by hand that the second node is off
    Then "farm" is written through the first node again within 60 seconds
    And the cluster file system froze until the lost node was fenced

  @storage @fencing
  Scenario: On a clustered logical volume it is the same
    Given the topology "gfs2-iscsi" is up and "farm" is answering, with
      """
      storage:
        iscsi:
          luns:
            - {name: shared, size: 128M, filesystem: gfs2, clustered_lvm: true}
      """
    When 20 records have been acknowledged by "farm" on every node within 60 seconds
    And the power of the second node is cut
    Then "farm" is written through the first node again within 40 seconds
    And the cluster file system froze until the lost node was fenced
    When all faults are healed
    Then the cluster is whole again within 120 seconds
    And every node reads the same of "farm"
