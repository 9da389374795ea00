Feature: Fencing devices as they are sold
  Some press the power button first, some leave the node off, some die with their node. What the cluster may still
  promise then.

  @fencing
  Scenario: A device that shuts its node down gently, which does not hear it
    Given the topology "web-iscsi" is up and "web" is answering
    And the fencing device of the active node shuts it down gently, and cuts its power after 8 seconds
    When the active node hangs
    Then the active node is fenced within 40 seconds
    And "web" relocates to the standby within 50 seconds
    And nothing was taken over before the fencing

  @fencing
  Scenario: A device that leaves its node off, as it is asked to
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {action: "off"}
      """
    And the fencing device of the active node leaves it off
    When the active node hangs
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 50 seconds
    And nothing was taken over before the fencing
    When the fencing device of the active node works again
    And the active node wakes up
    Then the cluster is whole again within 90 seconds

  @fencing @twin
  Scenario: A device on its node's supply does its work as long as that has power
    Given the topology "web-iscsi" is up and "web" is answering
    And the fencing device of the active node loses its power with its node
    When the active node hangs
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And nothing was taken over before the fencing
