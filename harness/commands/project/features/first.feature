Feature: The web site outlives its active node

  # Everything that a scenario may say: docs/scenarios.md of Fenceline. Beside what this one names, every promise is
  # judged over its whole run: one owner, one writer, nothing taken over from a node that was not fenced, ...

  @smoke
  Scenario: Heartbeat cut triggers fence then relocate
    Given the topology "my-web" is up and "web" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
    And the surviving partition has quorum
