Feature: One part of the cluster software, or one node
  Corosync without Pacemaker, Pacemaker without Corosync, and a node that is left alone for maintenance.

  Scenario: Pacemaker alone is stopped, and its node votes on
    Given the topology "web-iscsi" is up and "web" is answering
    When pacemaker alone is stopped on the active node
    Then "web" relocates to the standby within 40 seconds
    And nobody is fenced
    And the surviving partition has quorum
    When pacemaker is started again on the active node
    Then the cluster is whole again within 60 seconds
    And "web" stays on the standby for 2 seconds

  @fencing
  Scenario: Pacemaker alone is killed
    Given the topology "web-iscsi" is up and "web" is answering
    When pacemaker alone is killed on the active node, with all its processes
    Then the active node is fenced within 30 seconds
    And "web" relocates to the standby within 45 seconds
    And nothing was taken over before the fencing
    And the file system was never mounted on two nodes

  @fencing
  Scenario: Corosync alone is stopped under a Pacemaker that runs services
    Given the topology "web-iscsi" is up and "web" is answering
    When corosync alone is stopped on the active node
    Then "web" relocates to the standby within 60 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  Scenario: Corosync alone is started again, and then Pacemaker
    Given the topology "web-iscsi" is up and "web" is answering
    When pacemaker alone is stopped on the standby
    And 5 seconds pass
    And pacemaker is started again on the standby
    Then the cluster is whole again within 60 seconds
    And "web" was not interrupted
    And nobody is fenced

  Scenario: Maintenance of the node that serves
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {failover_budget: 45s}}
      """
    When the active node is put into maintenance
    And 5 seconds pass
    Then "web" was not interrupted
    When the active node is taken out of maintenance
    Then the cluster is whole again within 30 seconds
    And "web" was not interrupted

  Scenario: Maintenance of the standby does not keep the cluster from mending what runs on the other
    Given the topology "web-iscsi" is up and "web" is answering
    When the standby is put into maintenance
    And the process of "web" is killed
    Then "web" is restarted in place on the node that serves now within 20 seconds
    And nobody is fenced
