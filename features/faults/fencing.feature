Feature: Fencing devices that misbehave, and clusters that must wait for them
  A device may be slow, or refuse its password. Nothing is taken over before it has done its work.

  @fencing
  Scenario: A slow fencing device delays the takeover, and nothing else
    Given the topology "web-iscsi" is up and "web" is answering
    And the fencing device of the active node is 4 seconds slow
    When the active node hangs
    Then the active node is fenced within 30 seconds
    And "web" relocates to the standby within 40 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: No takeover while the fencing device refuses the password
    Given the topology "web-iscsi" is up and "web" is answering
    And the fencing device of the active node refuses the password
    And an outage of "web" is expected: nobody may take over what is not fenced
    When the active node hangs
    Then "web" does not answer for 15 seconds
    And nothing was taken over before the fencing
    When the fencing device of the active node works again
    Then the active node is fenced within 90 seconds
    And "web" relocates to the standby within 120 seconds
    And the file system was never mounted on two nodes

  @fencing
  Scenario: A fence race, without a head start for anybody
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {delay: {rs-02: 0s}}
      """
    When the heartbeat network of the active node is cut
    And somebody is fenced within 20 seconds
    And all faults are healed
    Then "web" answers within 60 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
