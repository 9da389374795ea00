Feature: Loss of the service, and planned moves
  What is mended in place is mended in place; what is moved on purpose is away for a moment only.

  @smoke @twin
  Scenario: Service killed is restarted in place
    Given the topology "web-iscsi" is up and "web" is answering
    When the process of "web" is killed
    Then "web" is restarted in place on the active node within 15 seconds
    And nobody is fenced for 2 seconds
    And "web" stays on the active node for 1 second

  Scenario: Clean relocate
    Given the topology "web-iscsi" is up and "web" is answering
    When "web" is moved to the standby
    Then "web" relocates to the standby within 20 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  @twin
  Scenario: Standby of the active node
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node is put into standby
    Then "web" relocates to the standby within 20 seconds
    And nobody is fenced
    When the active node is taken out of standby
    Then "web" stays on the standby for 5 seconds
    And the file system was never mounted on two nodes

  Scenario: Fail-back, as the failover domain says
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {domain: {failback: true}}}
      """
    When the active node is put into standby
    Then "web" relocates to the standby within 20 seconds
    When the active node is taken out of standby
    Then "web" relocates to the active node within 20 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes
