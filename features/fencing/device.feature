Feature: Fencing devices fail
  What can't be fenced is not taken over, however long it takes.

  @fencing
  Scenario: No takeover until the fencing device works again
    Given the topology "web-iscsi" is up and "web" is answering
    And the fencing device of the active node does not answer
    And an outage of "web" is expected: nobody may take over what is not fenced
    When the active node hangs
    Then "web" does not answer for 20 seconds
    And nothing was taken over before the fencing
    When the fencing device of the active node works again
    Then the active node is fenced within 90 seconds
    And "web" relocates to the standby within 120 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing
