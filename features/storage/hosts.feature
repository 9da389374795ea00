Feature: Hosts and what runs on them
  R3: every host mounts one OCFS2 with the roots of all containers; if a host fails, its containers start elsewhere.

  @storage @fencing
  Scenario: A host fails and its container starts elsewhere
    Given the topology "kvm-ocfs2" is up and "guest-1" is answering
    When 20 records have been acknowledged by "guest-1" within 30 seconds
    And the power of the active node is cut
    Then "guest-1" relocates to the standby within 40 seconds
    And "guest-2" stays on the standby for 1 second
    And 20 more records are acknowledged by "guest-1" within 30 seconds
    And no acknowledged record of "guest-1" is lost
    And no acknowledged record of "guest-2" is lost
    And nothing was taken over before the fencing
    When all faults are healed
    Then the cluster is whole again within 120 seconds

  @storage @fencing
  Scenario: The heartbeat between the hosts is cut
    Given the topology "kvm-ocfs2" is up and "guest-1" is answering
    When 20 records have been acknowledged by "guest-1" within 30 seconds
    And the heartbeat network of the active node is cut
    Then the active node is fenced within 30 seconds
    And "guest-1" relocates to the standby within 50 seconds
    And no acknowledged record of "guest-1" is lost
    And nothing was taken over before the fencing
