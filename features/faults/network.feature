Feature: Networks of an odd shape, and bad ones
  Every fault of the networks, on a real cluster: what a cluster must survive without noticing, and what it must
  answer by fencing.

  Scenario: Delay, duplicates, disorder and damage that the cluster tolerates
    Given the topology "web-iscsi" is up and "web" is answering
    When the packets of the standby on the heartbeat network are 40 ms late, give or take 5 ms
    And all faults are healed
    And 20 % of the packets of the standby on the heartbeat network are duplicated
    And all faults are healed
    And 30 % of the packets of the active node on the heartbeat network are reordered
    And all faults are healed
    And 5 % of the packets of the active node on the heartbeat network are corrupted
    And all faults are healed
    Then nobody is fenced for 2 seconds
    And "web" stays on the active node for 1 second

  Scenario: A slow heartbeat network is enough
    Given the topology "web-iscsi" is up and "web" is answering
    When the standby receives at most 2000 kbit/s on the heartbeat network
    Then nobody is fenced for 5 seconds
    And "web" stays on the active node for 1 second

  Scenario: A loose contact, too short to be noticed
    Given the topology "web-iscsi" is up and "web" is answering
    When the heartbeat network of the standby is down for 0.2 seconds and up for 0.8 seconds, again and again
    Then nobody is fenced for 5 seconds
    And "web" stays on the active node for 1 second

  @storage
  Scenario: Only the iSCSI packets are lost
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: no node reaches the disk
    When the iscsi packets on the storage network are dropped
    And all faults are healed
    Then "web" answers within 90 seconds
    And the file system was never mounted on two nodes

  @fencing
  Scenario: Only the totem packets are lost
    Given the topology "web-iscsi" is up and "web" is answering
    When the totem packets on the heartbeat network are dropped
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes

  @fencing
  Scenario: The standby does not hear the active node, which hears it
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node is not heard by the standby any more on the heartbeat network
    And somebody is fenced within 30 seconds
    And all faults are healed
    Then "web" answers within 60 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
