Feature: Remote nodes
  A machine that runs resources for the cluster and is no member: it does not vote, and a member holds the connection.

  Scenario: Basic: a service is moved to a member and back
    Given the topology "web-remote" is up and "web" is answering
    When "web" is moved to the standby
    Then "web" relocates to the standby within 30 seconds
    When all faults are healed
    And "web" is moved to the active node
    Then "web" relocates to the active node within 30 seconds
    And nobody is fenced
    And the VIP never had two owners

  Scenario: Migration: the connection moves to the other member, and the service does not notice
    Given the topology "web-remote" is up and "web" is answering
    When the member with the connection to node remote1 goes into standby
    Then the connection to node remote1 is held by another member within 30 seconds
    And "web" stays on the active node for 2 seconds
    And nobody is fenced
    And the outage of "web" was at most 0.5 seconds

  Scenario: Resource failure: mended in place
    Given the topology "web-remote" is up and "web" is answering
    When the process of "web" is killed
    Then "web" is restarted in place on the active node within 30 seconds
    And nobody is fenced

  @fencing
  Scenario: Fenced: a remote node that hangs is fenced before its service is taken over, and comes back
    Given the topology "web-remote" is up and "web" is answering
    When the active node hangs
    Then the active node is fenced within 40 seconds
    And "web" answers within 60 seconds
    And nothing was taken over before the fencing
    And the VIP never had two owners
    When all faults are healed
    Then the active node rejoins within 90 seconds
