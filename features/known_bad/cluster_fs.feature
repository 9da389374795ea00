Feature: A cluster file system that does not wait for fencing
  A lock manager that is told not to wait, and a fencing device that only says so: the survivor takes the locks of a
  node that may still use them.

  @known_bad @storage
  Scenario: A lock manager that does not wait for fencing
    Given the topology "gfs2-iscsi" is up and "farm" is answering, with
      """
      stack: {dlm: {fencing: false}}
      fencing: {delay: {gfs-01: 20s, gfs-02: 20s}}
      """
    And the promise "cluster file system freezes" is expected to break
    And the promise "same on every node" is expected to break
    And the promise "no lost acknowledgement" is expected to break
    When 20 records have been acknowledged by "farm" on every node within 60 seconds
    And the heartbeat network of the second node is cut
    Then the promise "cluster file system freezes" is broken within 15 seconds
    And the nodes read different things of "farm"
    And acknowledged records of "farm" are lost

  @known_bad @storage @fencing
  Scenario: A fencing device that answers "off" without cutting power
    Given the topology "gfs2-iscsi" is up and "farm" is answering
    And the promise "cluster file system freezes" is expected to break
    And the promise "fence before takeover" is expected to break
    And the fencing device of the second node answers "off" without cutting power
    When the second node hangs
    Then the promise "cluster file system freezes" is broken within 60 seconds
    And the promise "fence before takeover" is broken within 30 seconds

  @known_bad @storage
  Scenario: The operator who did not look says that the lost node is off
    Given the topology "gfs2-iscsi" is up and "farm" is answering, with
      """
      fencing: {method: none}
      """
    And the promise "cluster file system freezes" is expected to break
    When the heartbeat network of the second node is cut
    And the first node has lost sight of the second node within 20 seconds
    And the operator tells the first node by hand that the second node is off
    Then the promise "cluster file system freezes" is broken within 60 seconds

  @known_bad @storage
  Scenario: Dual primaries that go on without each other
    Given the topology "gfs2-drbd" is up and "farm" is answering, with
      """
      stack: {dlm: {fencing: false}}
      fencing: {delay: {gfs-01: 20s, gfs-02: 20s}}
      storage:
        drbd:
          - {name: shared, size: 128M, filesystem: gfs2, protocol: C, dual_primary: true, fencing: dont-care,
             timeout: 2s, connect_int: 3s, ping_int: 3s, resync_rate: 20M}
      """
    And the promise "cluster file system freezes" is expected to break
    And the promise "same on every node" is expected to break
    And the promise "no lost acknowledgement" is expected to break
    When 20 records have been acknowledged by "farm" on every node within 60 seconds
    And the heartbeat network of the second node is cut
    And the storage network of the second node is cut
    Then the promise "cluster file system freezes" is broken within 15 seconds
    And the nodes read different things of "farm"
    And acknowledged records of "farm" are lost

  @known_bad @storage @fencing
  Scenario: A container is started elsewhere while its host only seems to be off
    Given the topology "kvm-ocfs2" is up and "guest-1" is answering
    And the promise "fence before takeover" is expected to break
    And the fencing device of the active node answers "off" without cutting power
    When the active node hangs
    Then "guest-1" relocates to the standby within 60 seconds
    And the promise "fence before takeover" is broken within 30 seconds
