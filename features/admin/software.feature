Feature: The cluster software is stopped and started
  By its administrator, in every order, also at a bad moment, and under services that are to run on.

  Scenario: Reattach: restarted everywhere while the service runs on
    Given the topology "web-iscsi" is up and "web" is answering
    When the cluster is put into maintenance mode
    And the cluster software is stopped on all nodes at once
    Then "web" stays on the active node for 2 seconds
    When the cluster software is started on all nodes at once
    And the cluster is taken out of maintenance mode
    Then the cluster is whole again within 60 seconds
    And "web" stays on the active node for 2 seconds
    And nobody is fenced
    And the outage of "web" was at most 0.5 seconds
    And no node has anything to show that it should not: core files, crashes, full disks, empty logs

  Scenario: Stopped and started on all nodes at once
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: nobody is left who could run it
    When the cluster software is stopped on all nodes at once
    And the cluster software is started on all nodes at once
    Then the cluster is whole again within 90 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  Scenario: Stopped and started on one node after the other
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: nobody is left who could run it
    When the cluster software is stopped on one node after the other
    And the cluster software is started on one node after the other
    Then the cluster is whole again within 90 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  Scenario: Flip: the active node leaves, and comes back
    Given the topology "web-iscsi" is up and "web" is answering
    When the cluster software of the active node is stopped
    Then "web" relocates to the standby within 40 seconds
    When the cluster software of the active node is started again
    Then the cluster is whole again within 60 seconds
    And "web" stays on the standby for 2 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

  Scenario Outline: A start that is interrupted after <seconds> seconds
    Given the topology "web-iscsi" is up and "web" is answering
    When the start of the cluster software of the standby is interrupted after <seconds> seconds
    And the cluster software of the standby is started again
    Then the cluster is whole again within 60 seconds
    And "web" stays on the active node for 1 second
    And nobody is fenced

    Examples:
      | seconds |
      | 0.2     |
      | 2       |

  Scenario: A start without a configuration
    Given the topology "web-iscsi" is up and "web" is answering
    When the cluster software of the standby is stopped and loses its configuration
    And the cluster software of the standby is started again
    Then the cluster is whole again within 60 seconds
    And all nodes have the same configuration
    And "web" stays on the active node for 1 second
    And nobody is fenced

  @quorum
  Scenario: At random near the quorum point
    Given the topology "web-iscsi-3" is up and "webservice" is answering, with
      """
      stack: {quorum: {wait_for_all: false}}
      """
    And an outage of "webservice" is expected: below the majority nobody may serve
    When the cluster software is stopped and started at random near the quorum point, 5 times, seed 7
    And all faults are healed
    Then the cluster is whole again within 90 seconds
    And all nodes have the same configuration
    And no node has anything to show that it should not: core files, crashes, full disks, empty logs
    And no service ran without quorum
    And nobody is fenced
    And the file system was never mounted on two nodes

  Scenario: One node at a time, as an upgrade does it
    Given the topology "web-iscsi" is up and "web" is answering
    When the cluster software of the standby is stopped
    And the cluster software of the standby is started again
    And the cluster is whole again within 60 seconds
    And "web" is moved to the standby
    Then "web" relocates to the standby within 30 seconds
    When the cluster software of the active node is stopped
    And the cluster software of the active node is started again
    And all faults are healed
    Then the cluster is whole again within 60 seconds
    And "web" stays on the standby for 2 seconds
    And nobody is fenced
    And the outage of "web" was at most 20 seconds
    And the file system was never mounted on two nodes
