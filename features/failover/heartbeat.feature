Feature: Heartbeat loss
  The cable between the nodes is cut. Neither knows whether the other lives: only the one that fences may go on.

  @smoke @fencing
  Scenario: Heartbeat cut triggers fence then relocate
    Given the topology "web-iscsi" is up and "web" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
    And the surviving partition has quorum
