Feature: A highly available NFS server
  The server moves with its file system, its export, its address, and what it remembers of its clients. A machine that
  has it mounted, hard, and writes a ledger there, must see no more than a pause, whatever happens to the nodes.

  @storage @fencing
  Scenario: Power-off of the active node is a pause
    Given the topology "ha-nfs" is up and "nfs" is answering
    When 50 records have been acknowledged by "nfs" within 30 seconds
    And the power of the active node is cut
    Then "nfs" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "nfs" within 30 seconds
    And no acknowledged record of "nfs" is lost
    And the client of "nfs" saw no more than a pause of 45 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @storage
  Scenario: A clean relocate is a pause
    Given the topology "ha-nfs" is up and "nfs" is answering
    When 50 records have been acknowledged by "nfs" within 30 seconds
    And "nfs" is moved to the standby
    Then "nfs" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "nfs" within 30 seconds
    And no acknowledged record of "nfs" is lost
    And the client of "nfs" saw no more than a pause of 45 seconds
    And nobody is fenced

  @storage @fencing
  Scenario: A heartbeat cut is a pause
    Given the topology "ha-nfs" is up and "nfs" is answering
    When 50 records have been acknowledged by "nfs" within 30 seconds
    And the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "nfs" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "nfs" within 30 seconds
    And no acknowledged record of "nfs" is lost
    And the client of "nfs" saw no more than a pause of 45 seconds
    And nothing was taken over before the fencing

  @storage
  Scenario: The server's threads end and are started in place
    Given the topology "ha-nfs" is up and "nfs" is answering
    When 50 records have been acknowledged by "nfs" within 30 seconds
    And the process of "nfs" is killed
    Then "nfs" is restarted in place on the active node within 40 seconds
    And 20 more records are acknowledged by "nfs" within 30 seconds
    And no acknowledged record of "nfs" is lost
    And the client of "nfs" saw no more than a pause of 45 seconds
    And nobody is fenced
