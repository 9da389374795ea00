Feature: Mistakes that clusters have
  Each scenario plants one mistake that an administrator makes; each must be caught, and named. Their clean twins have
  the tag @twin: `fenceline matrix` shows both.

  @known_bad
  Scenario: The operation "monitor" is missing: a dead service is never noticed
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services:
        web:
          failover_budget: 10s
          group:
            - {kind: filesystem, lun: www, mountpoint: /srv/www}
            - {kind: vip, address: 192.168.98.244}
            - {kind: daemon, name: nginx, monitor: 0s}
      """
    And the promise "liveness at the end" is expected to break
    When the process of "web" is killed
    Then "web" stops answering within 5 seconds
    And "web" does not answer for 15 seconds

  @known_bad
  Scenario: The group is in the wrong order: its address before its file system
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services: {web: {mistakes: [vip-first]}}
      """
    And the promise "start order" is expected to break
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the promise "start order" is broken within 30 seconds

  @known_bad
  Scenario: The colocation is missing: the service goes, its address stays
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {migration_threshold: 1}
      services: {web: {mistakes: [not-together], failover_budget: 10s}}
      """
    And the promise "group together" is expected to break
    And the promise "liveness at the end" is expected to break
    When the process of "web" is killed
    Then "web" stops answering within 5 seconds
    And the promise "group together" is broken within 30 seconds
    And "web" does not answer for 12 seconds

  @known_bad
  Scenario: The stickiness is wrong: the service goes back to the node that returned
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      # one that is back in 3 s has the service again before it answered elsewhere
      fencing: {action: "off"}
      services: {web: {mistakes: [not-sticky]}}
      """
    And the promise "moved only for cause" is expected to break
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    When the active node is switched on
    Then the active node rejoins within 60 seconds
    And "web" relocates to the active node within 90 seconds
    And the promise "moved only for cause" is broken within 90 seconds

  @known_bad
  Scenario: The VIP is also configured by hand on the standby
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      # once the cluster is ready, however long the host takes
      nodes:
        rs-02:
          rc_local:
            - "(bash -c 'until echo >/dev/tcp/192.168.98.244/80; do sleep 1; done'; sleep 12; ip addr add 192.168.98.244/24 dev eth1) >/dev/null 2>&1 &"
      """
    And the promise "single VIP owner" is expected to break
    And the promise "new owner announces itself" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "healthy cluster fences nobody" is expected to break
    And an outage of "web" is expected: some clients are led to the standby, where nothing listens
    Then the promise "single VIP owner" is broken within 40 seconds
    And the promise "new owner announces itself" is broken within 45 seconds

  @known_bad @storage
  Scenario: Both nodes mount the disk at boot
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - "(bash -c 'until echo >/dev/tcp/192.168.98.244/80; do sleep 1; done'; sleep 12; mount /dev/fenceline/www /srv/www) >/dev/null 2>&1 &"
      """
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "healthy cluster fences nobody" is expected to break
    Then the promise "single mount" is broken within 40 seconds
    And the promise "single writer" is broken within 50 seconds

  @known_bad @quorum
  Scenario: The partition without quorum goes on, as its policy is "ignore"
    Given the topology "web-iscsi-3" is up and "webservice" is answering, with
      """
      stack: {quorum: {without_quorum: ignore}}
      fencing: {method: none}
      """
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And the promise "fence before takeover" is expected to break
    And an outage of "webservice" is expected: its address is on two nodes
    When the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "single writer" is broken within 40 seconds
    And the promise "single VIP owner" is broken within 40 seconds
    And the promise "one instance" is broken within 60 seconds
