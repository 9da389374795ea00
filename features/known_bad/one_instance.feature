Feature: Daemons that somebody else starts too
  A daemon that is also enabled at boot runs on a node to which its service has not come.

  @known_bad
  Scenario: The daemon is also enabled at boot on the standby
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      # late: the cluster has looked for it there and found nothing, and has started the whole group elsewhere
      nodes:
        rs-02:
          rc_local:
            - "(bash -c 'until echo >/dev/tcp/192.168.98.244/80; do sleep 1; done'; sleep 3; /usr/sbin/nginx -c /etc/nginx/fenceline-web.conf) >/dev/null 2>&1 &"
      """
    And the promise "one instance" is expected to break
    Then the promise "one instance" is broken within 40 seconds

  @twin
  Scenario: The standby has a daemon of its own
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes: {rs-02: {rc_local: ["(sleep 25; cd /run; python3 -m http.server 8081) >/dev/null 2>&1 &"]}}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And no daemon ran on two nodes
