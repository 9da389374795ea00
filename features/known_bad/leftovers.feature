Feature: What somebody left behind, and figures that are too small
  A cluster that was well when it was built, and what was done to it since. What is done here once the cluster is ready
  waits for a harmless change of a property, however long the host takes until then.

  @known_bad
  Scenario: Failures never expire, and the service that failed once on each node runs nowhere
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {migration_threshold: 1}
      """
    And the promise "liveness at the end" is expected to break
    When the process of "web" is killed
    Then "web" relocates to the standby within 30 seconds
    When the process of "web" is killed
    Then the promise "liveness at the end" is broken within 60 seconds

  @twin
  Scenario: Failures expire, and the service that failed once on each node is there again
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {migration_threshold: 1}
      services: {web: {failover_budget: 120s}}
      nodes:
        rs-01:
          rc_local:
            - >-
              (until crm_resource -Q -r web -W; do sleep 1; done;
              crm_attribute -n cluster-recheck-interval -v 10s;
              crm_resource -r web --meta -p failure-timeout -v 10s) >/dev/null 2>&1 &
      """
    When the process of "web" is killed
    Then "web" relocates to the standby within 40 seconds
    When the process of "web" is killed
    Then "web" answers within 120 seconds

  @known_bad @fencing
  Scenario: The service was left unmanaged, and nobody starts it where it should go
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - >-
              (until crm_attribute -Gqn cluster-recheck-interval | grep -qx 73s; do sleep 1; done;
              crm_resource -r web --meta -p is-managed -v false) >/dev/null 2>&1 &
      """
    And the promise "liveness at the end" is expected to break
    When the property "cluster-recheck-interval" of the cluster is changed to "73s"
    And 10 seconds pass
    And the power of the active node is cut
    Then the promise "liveness at the end" is broken within 60 seconds

  @twin @fencing
  Scenario: The service was unmanaged for a while, and is managed again
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - >-
              (until crm_attribute -Gqn cluster-recheck-interval | grep -qx 73s; do sleep 1; done;
              crm_resource -r web --meta -p is-managed -v false;
              crm_resource -r web --meta -d is-managed) >/dev/null 2>&1 &
      """
    When the property "cluster-recheck-interval" of the cluster is changed to "73s"
    And 15 seconds pass
    And the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds

  @known_bad @fencing
  Scenario: Maintenance mode was left on, and a node that is lost is not even missed
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - >-
              (until crm_attribute -Gqn cluster-recheck-interval | grep -qx 73s; do sleep 1; done;
              crm_attribute -n maintenance-mode -v true) >/dev/null 2>&1 &
      """
    And the promise "liveness at the end" is expected to break
    When the property "cluster-recheck-interval" of the cluster is changed to "73s"
    And 10 seconds pass
    And the power of the active node is cut
    Then the promise "liveness at the end" is broken within 60 seconds

  @twin @fencing
  Scenario: Maintenance mode was on for a while, and is off again
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - >-
              (until crm_attribute -Gqn cluster-recheck-interval | grep -qx 73s; do sleep 1; done;
              crm_attribute -n maintenance-mode -v true;
              crm_attribute -n maintenance-mode -D) >/dev/null 2>&1 &
      """
    When the property "cluster-recheck-interval" of the cluster is changed to "73s"
    And 15 seconds pass
    And the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds

  @known_bad @fencing
  Scenario: The token was made shorter than what was agreed, and a pause that should be borne costs a node
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 5s}
      nodes:
        rs-01: &shorter
          rc_local:
            - >-
              (until crm_resource -Q -r web -W; do sleep 1; done;
              sed -i 's/^\( *token:\).*/\1 500/' /etc/corosync/corosync.conf; sleep 2;
              corosync-cfgtool -R) >/dev/null 2>&1 &
        rs-02: *shorter
      """
    And the promise "fenced only for cause" is expected to break
    When 8 seconds pass
    And the standby hangs for 3 seconds
    Then the promise "fenced only for cause" is broken within 30 seconds

  @twin
  Scenario: The token was read again and is what was agreed, and the pause is borne
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 5s}
      nodes:
        rs-01: {rc_local: ["(until crm_resource -Q -r web -W; do sleep 1; done; corosync-cfgtool -R) >/dev/null 2>&1 &"]}
      """
    When 8 seconds pass
    And the standby hangs for 3 seconds
    Then nobody is fenced for 12 seconds

  @known_bad
  Scenario: The weight of a check is too small: it fails, and the master stays master
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      stack: {track_scripts: {clients: {script: "/usr/bin/ping -c 1 -W 1 192.168.70.9", interval: 1s, fall: 2, weight: -5}}}
      """
    And the promise "liveness at the end" is expected to break
    When the service network of the active node is cut
    Then the promise "liveness at the end" is broken within 40 seconds
