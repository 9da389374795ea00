Feature: Fencing switched off
  The cluster that R1's author had: "virtual machine fencing" that did nothing. Fenceline must see what it does.

  @known_bad @fencing
  Scenario: Heartbeat cut without fencing mounts the disk twice
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {method: none}
      """
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "single writer" is broken within 40 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds

  @known_bad
  Scenario: A stop that fails, and nobody who could be fenced for it
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {method: none}
      """
    And the promise "liveness at the end" is expected to break
    And the stop of "web" fails on the active node
    When "web" is moved to the standby
    And the process of "web" is killed
    Then "web" stops answering within 10 seconds
    And the promise "liveness at the end" is broken within 60 seconds
    When all faults are healed
    Then "web" answers within 90 seconds
