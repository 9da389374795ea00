Feature: Services that don't do what the cluster tells them
  A stop that fails or takes its time, a start likewise, a mount that something outside of the cluster keeps busy.

  @fencing
  Scenario: A stop that fails costs the node, and not the service
    Given the topology "web-iscsi" is up and "web" is answering
    And the stop of "web" fails on the active node
    When "web" is moved to the standby
    Then the active node is fenced within 30 seconds
    And "web" relocates to the standby within 60 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  Scenario: A stop that takes its time delays a move, and nothing else
    Given the topology "web-iscsi" is up and "web" is answering
    And the stop of "web" takes 8 seconds longer on the active node
    When "web" is moved to the standby
    Then "web" relocates to the standby within 50 seconds
    And nobody is fenced

  Scenario: A start that takes its time
    Given the topology "web-iscsi" is up and "web" is answering
    And the start of "web" takes 8 seconds longer on the standby
    When the power of the active node is cut
    Then "web" relocates to the standby within 50 seconds

  Scenario: A start that fails sends the service back to where it came from
    Given the topology "web-iscsi" is up and "web" is answering
    And the start of "web" fails on the standby
    And an outage of "web" is expected: it is sent where it can't start, and comes back
    When "web" is moved to the standby
    And 20 seconds pass
    And "web" does what it is told again on the standby
    Then "web" answers within 90 seconds
    And nobody is fenced

  Scenario: A process that keeps the mount busy is killed by the cluster's agent
    Given the topology "web-iscsi" is up and "web" is answering
    When a process keeps the mount of "web" busy on the active node
    And "web" is moved to the standby
    Then "web" relocates to the standby within 45 seconds
    And nobody is fenced

  @fencing
  Scenario: A mount that the kernel keeps busy costs the node
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {failover_budget: 75s}}
      """
    When the kernel keeps the mount of "web" busy on the active node
    And "web" is moved to the standby
    Then the active node is fenced within 70 seconds
    And "web" relocates to the standby within 90 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing
