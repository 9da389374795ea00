Feature: Wrong values that are planted
  What a topology would be refused for is caught where it is planted.

  @known_bad @fencing
  Scenario: The only fencing device hangs on its node's own supply
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {bmc_supply: node}
      mistakes: [bmc-on-node-supply]
      """
    And the promise "liveness at the end" is expected to break
    When the power of the active node is cut
    Then "web" stops answering within 5 seconds
    And the promise "liveness at the end" is broken within 60 seconds

  @known_bad
  Scenario: Both directors begin as MASTER
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      stack: {states: {lb1: MASTER, lb2: MASTER}}
      services: {web: {domain: {failback: true}}}
      mistakes: [two-masters]
      """
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    When the power of the standby is cut
    And the standby is switched on
    Then the promise "single VIP owner" is broken within 60 seconds
