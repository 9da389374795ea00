Feature: Packet loss on the heartbeat network
  Totem repeats what is lost. Below what it tolerates nothing may happen; above it the cluster must act safely. How much
  it tolerates follows from its own figures (harness/model/totem.py): about 1 % with a token of 1 s.

  Scenario: Packet drop that the cluster tolerates
    Given the topology "web-iscsi" is up and "web" is answering
    When as many of the packets on the heartbeat network are dropped as the cluster tolerates
    Then nobody is fenced for 15 seconds
    And "web" stays on the active node for 1 second

  @fencing
  Scenario: Packet drop above what the cluster tolerates
    Given the topology "web-iscsi" is up and "web" is answering
    When 95 % of the packets on the heartbeat network are dropped
    Then the active node is fenced within 40 seconds
    And "web" relocates to the standby within 60 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
