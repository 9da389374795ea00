Feature: A daemon of the cluster software dies
  On the active node, one after the other: whatever the cluster does about it, nothing runs twice, and it mends itself.

  Scenario Outline: The daemon <daemon> dies on the active node, and the cluster mends itself
    Given the topology "web-iscsi" is up and "web" is answering
    When the daemon "<daemon>" is killed on the active node
    Then "web" answers within 60 seconds
    When all faults are healed
    Then the cluster is whole again within 120 seconds
    And no node has anything to show that it should not: core files, crashes, full disks, empty logs
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing

    Examples:
      | daemon               |
      | pacemakerd           |
      | pacemaker-controld   |
      | pacemaker-based      |
      | pacemaker-fenced     |
      | pacemaker-execd      |
      | pacemaker-schedulerd |
      | pacemaker-attrd      |
