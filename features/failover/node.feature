Feature: Loss of the active node
  A node is gone, or does not answer. The service goes on elsewhere, and not before the node is certainly gone.

  @smoke @fencing @twin
  Scenario: Power-off of the active node relocates the service
    Given the topology "web-iscsi" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing
    And the surviving partition has quorum

  @fencing @twin
  Scenario: Hang triggers fence, and the resumed node does no harm
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node hangs
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    When the active node wakes up
    Then the active node rejoins within 60 seconds
    And "web" stays on the standby for 2 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  @fencing
  Scenario: A node that wakes up while it is being fenced does no harm
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {delay: {rs-01: 4s, rs-02: 4s}}
      """
    When the active node hangs
    And the standby has lost sight of the active node within 10 seconds
    And the active node wakes up
    Then "web" answers within 40 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing

  @fencing
  Scenario: CPU overload that stops heartbeats is fenced
    Given the topology "web-iscsi" is up and "web" is answering
    When the CPU of the active node is overloaded for 60 seconds
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  @fencing
  Scenario: Loss of corosync on the active node is fenced
    Given the topology "web-iscsi" is up and "web" is answering
    When the daemon "corosync" is killed on the active node
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
