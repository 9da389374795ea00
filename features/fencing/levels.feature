Feature: Fencing levels
  Who can't be fenced in one way is fenced in another: the second level is asked when the first has failed. A node with two
  power supplies is off when both outlets are.

  @fencing
  Scenario: The BMC dies with the power of its node
    Given the topology "web-iscsi-levels" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 60 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: The BMC does not answer, and both outlets are switched off
    Given the topology "web-iscsi-levels" is up and "web" is answering
    And the fencing device of the active node does not answer
    When the active node hangs
    Then the active node is fenced within 60 seconds
    And "web" relocates to the standby within 70 seconds
    And nothing was taken over before the fencing

  @fencing
  Scenario: One unit is dead, and so is the BMC: nobody takes over what is not fenced
    Given the topology "web-iscsi-levels" is up and "web" is answering
    And the fencing device of the active node does not answer
    And the power distribution unit "pdu-b" does not answer
    And an outage of "web" is expected: nobody may take over what is not fenced
    When the active node hangs
    Then "web" does not answer for 40 seconds
    And nothing was taken over before the fencing
    When the power distribution unit "pdu-b" works again
    Then the active node is fenced within 120 seconds
    And "web" relocates to the standby within 140 seconds

  @fencing
  Scenario: In a split the node that runs the service has the head start
    Given the topology "web-iscsi-levels" is up and "web" is answering
    When the heartbeat network of the active node is cut
    Then the standby is fenced within 25 seconds
    And "web" was not interrupted
