Feature: Machines that stand still for a while
  A snapshot or a live migration stops a machine's processors for a moment. Shorter than what the cluster waits for a
  token it must be borne; longer, the node is fenced and another serves.

  Scenario: The standby stands still for a moment, and nobody notices
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 4s}
      """
    When the standby hangs for 1 second
    And 6 seconds pass
    Then nobody is fenced
    And "web" was not interrupted

  Scenario: The active node stands still for a moment, and its clients wait for no longer
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 4s}
      """
    When the active node hangs for 1 second
    And the fault is over
    Then nobody is fenced for 8 seconds
    And "web" stays on the active node for 1 second
    And the outage of "web" was at most 3 seconds

  Scenario: A backup that takes one snapshot after the other
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 4s}
      """
    When the active node hangs for 0.7 seconds and runs for 2 seconds, again and again
    Then nobody is fenced for 12 seconds
    When the active node hangs no more
    Then "web" stays on the active node for 2 seconds

  @fencing
  Scenario: The active node stands still for longer than the token
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node hangs for 20 seconds
    Then the active node is fenced within 15 seconds
    And "web" relocates to the standby within 30 seconds
    And nothing was taken over before the fencing
    When the fault is over
    Then the cluster is whole again within 90 seconds
    And "web" stays on the node that serves now for 3 seconds
    And the file system was never mounted on two nodes
