Feature: A database whose clients commit rows
  R5 and R6: MariaDB, its files and its address move together. A client commits numbered rows, one transaction each;
  whatever happens to a node, every row that was committed is there afterwards, once and in order.

  @storage @fencing
  Scenario Outline: No committed row is lost when the power of the active node is cut
    Given the topology "<topology>" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the power of the active node is cut
    Then "mysql" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

    Examples:
      | topology    |
      | mysql-iscsi |
      | mysql-drbd  |

  @storage @fencing
  Scenario Outline: No committed row is lost when the heartbeat is cut
    Given the topology "<topology>" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "mysql" relocates to the standby within 30 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And the VIP never had two owners
    And nothing was taken over before the fencing

    Examples:
      | topology    |
      | mysql-iscsi |
      | mysql-drbd  |

  @storage
  Scenario Outline: The database is killed and restarted in place, and recovers every committed row
    Given the topology "<topology>" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the process of "mysql" is killed
    Then "mysql" is restarted in place on the active node within 20 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And nobody is fenced for 2 seconds

    Examples:
      | topology    |
      | mysql-iscsi |
      | mysql-drbd  |

  @storage
  Scenario Outline: The database is relieved on purpose, and its clients lose no row
    Given the topology "<topology>" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And "mysql" is moved to the standby
    Then "mysql" relocates to the standby within 30 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And nobody is fenced
    And the file system was never mounted on two nodes

    Examples:
      | topology    |
      | mysql-iscsi |
      | mysql-drbd  |
