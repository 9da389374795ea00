Feature: Clusters that are not whole again
  The night is survived, and the next one would not be: something that was lost does not come back by itself once the
  fault is gone.

  @known_bad @fencing
  Scenario: A node that was lost boots, and its cluster software is not started
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      boot_deadline: 60s
      form_deadline: 30s
      nodes: {rs-01: {rc_local: ["[ ! -e /var/lib/again ] || systemctl stop pacemaker corosync",
                                 "touch /var/lib/again; sync"]}}
      """
    And the promise "whole again" is expected to break
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds

  @twin @fencing
  Scenario: A node that was lost boots, and its cluster software is started late
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes: {rs-01: {rc_local: ["[ ! -e /var/lib/again ] || (systemctl stop pacemaker corosync; sleep 5;
                                  systemctl start corosync pacemaker) >/dev/null 2>&1 &",
                                 "touch /var/lib/again; sync"]}}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
