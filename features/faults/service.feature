Feature: Storage, addresses and administration
  The target, the session, the announcements of the VIP, and what an administrator switches off.

  @storage
  Scenario: The iSCSI target stops and starts again
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: there is no disk
    When the iSCSI target stops
    And the iSCSI target is started again
    Then "web" answers within 90 seconds
    And the file system was never mounted on two nodes

  Scenario: Gratuitous ARP is not heard: clients that are not told stay away for minutes
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "clients behind a router" is expected to break
    When nobody hears who announces the VIP of "web"
    And "web" is moved to the standby
    Then "web" relocates to the standby within 30 seconds
    And the VIP never had two owners
    And the new owner announced itself
    And the promise "clients behind a router" is broken within 60 seconds

  Scenario: Maintenance mode: a killed service stays dead until it is over
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: maintenance
    When the cluster is put into maintenance mode
    And the process of "web" is killed
    Then "web" does not answer for 8 seconds
    When the cluster is taken out of maintenance mode
    Then "web" answers within 40 seconds

  @storage
  Scenario: The iSCSI session of the standby is ended
    Given the topology "web-iscsi" is up and "web" is answering
    When the iSCSI session of the standby is ended
    Then "web" stays on the active node for 3 seconds
    And nobody is fenced
