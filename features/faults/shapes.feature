Feature: Partitions of a cluster of three
  Majorities go on; what hears everybody while the others do not must not make the cluster do two things at once.

  @fencing @quorum
  Scenario: The active node alone in the minority
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the heartbeat network splits into the active node and the others
    Then the active node is fenced within 20 seconds
    And "webservice" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And no service ran without quorum
    And nothing was taken over before the fencing

  @quorum
  Scenario: One node hears both others, which do not hear each other
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the heartbeat network splits into two halves that both hear the standby
    Then "webservice" answers within 30 seconds
    When the partition is mended
    Then the cluster is whole again within 60 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing

  # of three nodes: seed 5 leaves node1 alone, seed 2 everybody
  @fencing @quorum
  Scenario Outline: A random partition, seed <seed>
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    And an outage of "webservice" is expected: a partition without a majority serves nobody
    When the heartbeat network splits at random, seed <seed>, for 20 seconds
    Then the cluster is whole again within 120 seconds
    And "webservice" answers within 120 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And no service ran without quorum
    And nothing was taken over before the fencing

    Examples:
      | seed |
      | 5    |
      | 2    |

  @fencing @quorum
  Scenario: A ring in which every node hears a majority, and no two the same one
    Given the topology "web-iscsi-3" is up and "webservice" is answering, with
      """
      nodes: {node4: {}}
      """
    When every node hears a majority of its own on the heartbeat network
    Then "webservice" answers within 60 seconds
    When the partition is mended
    Then the cluster is whole again within 90 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
