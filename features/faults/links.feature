Feature: One network by its name, one link, one interface
  Networks fail one at a time, and between two machines only; and an interface may be down whose cable is in.

  Scenario: One of two heartbeat networks splits, by its name
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the network "heartbeat-a" splits into the active node and the others
    Then nobody is fenced for 8 seconds
    And "webservice" was not interrupted
    When the partition is mended
    And the active node and the standby don't hear each other any more on the network "heartbeat-b"
    Then nobody is fenced for 8 seconds
    And "webservice" was not interrupted

  Scenario: Packets between two nodes are lost on one of two networks
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When 40 % of the packets from the active node to the standby on the network "heartbeat-a" are lost
    And 8 seconds pass
    Then nobody is fenced
    And "webservice" was not interrupted

  @fencing
  Scenario: The heartbeat interface of the active node is taken down
    Given the topology "web-iscsi" is up and "web" is answering
    When the interface of the active node in the heartbeat network is taken down
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: The heartbeat interface of the active node goes with its address, as by ifdown
    Given the topology "web-iscsi" is up and "web" is answering
    When the interface of the active node in the heartbeat network is taken down, and its addresses with it
    And somebody is fenced within 30 seconds
    And all faults are healed
    Then "web" answers within 60 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  Scenario: An interface that comes back
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the interface of the standby in the network "heartbeat-b" is taken down, and its addresses with it
    And 3 seconds pass
    And the interface of the standby in the network "heartbeat-b" is brought up again
    Then nobody is fenced for 5 seconds
    And "webservice" was not interrupted

  Scenario: Big packets are lost on the clients' network, and small ones are not
    Given the topology "web-iscsi" is up and "web" is answering
    When packets of more than 1000 bytes are lost on the service network
    Then nobody is fenced for 5 seconds
    And "web" was not interrupted

  @storage
  Scenario: Big packets are lost on the way to the disk
    Given the topology "web-iscsi" is up and "web" is answering
    When packets of more than 1000 bytes are lost on the storage network
    And 10 seconds pass
    And all faults are healed
    Then "web" answers within 120 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing
