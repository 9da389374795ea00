Feature: Fencing devices that lie
  The worst fault there is: the cluster does all that it should, and its fencing device does not. Fenceline must see
  it, and say so.

  @known_bad @fencing
  Scenario: A device that answers "off" without cutting power
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "fence before takeover" is expected to break
    And the promise "single mount" is expected to break
    And the fencing device of the active node answers "off" without cutting power
    When the active node hangs
    Then "web" relocates to the standby within 30 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single mount" is broken within 30 seconds

  @known_bad @fencing
  Scenario: A device that is wired to the wrong node
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "fence before takeover" is expected to break
    And an outage of "web" is expected: the node that should take over has shot itself
    And the fencing device of the active node is wired to the power of the standby
    When the active node hangs
    Then the standby is fenced within 20 seconds
    And the promise "fence before takeover" is broken within 10 seconds
