Feature: Recovery policies
  What a cluster does when a service fails and its node does not, as RHCS says it: restart, relocate, restart-disable,
  disable.

  Scenario: Restart, and relocate when that fails
    Given the topology "web-iscsi" is up and "web" is answering
    When the configuration of "web" is spoilt on the active node
    And the process of "web" is killed
    Then "web" relocates to the standby within 30 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

  Scenario: Relocate at the first failure
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {recovery: relocate}}
      """
    When the process of "web" is killed
    Then "web" relocates to the standby within 30 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

  Scenario: Restart, and disable when that fails
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {recovery: restart-disable}}
      """
    When the process of "web" is killed
    Then "web" is restarted in place on the active node within 20 seconds
    Given an outage of "web" is expected: it is disabled when it can't be restarted
    When the configuration of "web" is spoilt on the active node
    And the process of "web" is killed
    Then "web" stops answering within 5 seconds
    And "web" does not answer for 15 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

  @fencing
  Scenario: Disable at the first failure, which the loss of a node is not
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {recovery: disable}}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    Given an outage of "web" is expected: it is disabled when it fails
    When the process of "web" is killed
    Then "web" stops answering within 5 seconds
    And "web" does not answer for 15 seconds
    And the file system was never mounted on two nodes
