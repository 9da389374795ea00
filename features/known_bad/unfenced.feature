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
    And an outage of "web" is expected: its address is on two nodes
    When the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "single writer" is broken within 40 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds
