Feature: Heartbeat loss
  The cable between the nodes is cut. Neither knows whether the other lives: only the one that fences may go on.

  @smoke @fencing @twin
  Scenario: Heartbeat cut triggers fence then relocate
    Given the topology "web-iscsi" is up and "web" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
    And the surviving partition has quorum

  @fencing @quorum @twin
  Scenario: Heartbeat cut in a cluster of three
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "webservice" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
    And the surviving partition has quorum

  @fencing
  Scenario: One of two heartbeat links is cut and nothing happens
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the network "heartbeat-a" of the active node is cut
    Then nobody is fenced for 8 seconds
    And "webservice" stays on the active node for 1 second
    And the surviving partition has quorum
