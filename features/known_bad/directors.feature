Feature: Directors that do not hear each other
  VRRP fences nobody: who hears no better one is master.

  @known_bad
  Scenario: The link that carries the adverts is cut and both directors take the address
    Given the topology "lvs-keepalived" is up and "web" is answering
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the heartbeat network of the active node is cut
    Then the promise "single VIP owner" is broken within 10 seconds
    And the promise "fence before takeover" is broken within 10 seconds

  @known_bad
  Scenario: The adverts alone are dropped and both directors take the address
    Given the topology "lvs-keepalived" is up and "web" is answering
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the vrrp packets on the heartbeat network are dropped
    Then the promise "fence before takeover" is broken within 10 seconds
    And the promise "single VIP owner" is broken within 10 seconds

  @known_bad
  Scenario Outline: keepalived is killed with its children and leaves its address
    Given the topology "<topology>" is up and "web" is answering
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When all processes of the daemon "keepalived" are killed on the active node
    Then the promise "fence before takeover" is broken within 10 seconds
    And the promise "single VIP owner" is broken within 10 seconds

    Examples:
      | topology           |
      | lvs-keepalived     |
      | haproxy-keepalived |
