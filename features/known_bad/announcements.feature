Feature: Addresses that move and are not announced
  A router keeps for minutes who has an address, and hears of a new owner only if that one says so.

  @known_bad
  Scenario: The address is not announced: clients behind a router go on to the node that was lost
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {mistakes: [not-announced], failover_budget: 20s}}
      """
    And the promise "new owner announces itself" is expected to break
    And the promise "clients behind a router" is expected to break
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the promise "new owner announces itself" is broken within 30 seconds
    And the promise "clients behind a router" is broken within 60 seconds

  @twin
  Scenario: The address is announced: clients behind a router follow
    Given the topology "web-iscsi" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And "web" answers clients behind a router within 30 seconds
    And the new owner announced itself

  @twin
  Scenario Outline: Directors and haresources announce it too
    Given the topology "<topology>" is up and "<service>" is answering
    When the power of the active node is cut
    Then "<service>" answers clients behind a router within 40 seconds
    And the new owner announced itself

    Examples:
      | topology           | service |
      | lvs-keepalived     | web     |
      | haproxy-keepalived | web     |
      | web-nfs-heartbeat  | web     |
