Feature: The shared disk
  The node that holds the service loses its path to the disk; the other still has one.

  @storage
  Scenario: iSCSI path of the active node is cut
    Given the topology "web-iscsi" is up and "web" is answering
    When the storage network of the active node is cut
    Then "web" relocates to the standby within 90 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
