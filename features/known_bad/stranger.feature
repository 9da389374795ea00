Feature: A stranger has the address
  Somebody configured the service's address on his laptop. The cluster can't help it; Fenceline must see it.

  @known_bad
  Scenario: A stranger answers for the VIP
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "single VIP owner" is expected to break
    And an outage of "web" is expected: clients may reach the stranger
    When a stranger answers for the VIP of "web"
    Then the promise "single VIP owner" is broken within 5 seconds
    When all faults are healed
    Then "web" answers within 30 seconds

  @known_bad @fencing
  Scenario: Fencing switched off at run time
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "single mount" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And the promise "single writer" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When fencing is switched off in the cluster's configuration
    And the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds
    And the promise "single writer" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds
