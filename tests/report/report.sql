-- SPDX-License-Identifier: BSD-2-Clause
-- Three deployments: an audit, one with all classes of dependencies, and one whose arguments, names and reasons try to be
-- something else: HTML, scripts, Markdown, what steers a terminal. What runs in a browser sets `hacked`.
CREATE TEMP TABLE rules (id INTEGER PRIMARY KEY, rule TEXT, reason TEXT, instead TEXT);
INSERT INTO rules VALUES
    (0, NULL, '', ''),
    (1, json_object('file', '/etc/namegate/policies/deploy.policy', 'line', 3, 'pattern', '*.github.com', 'group', NULL,
        'depends', '', 'owner', ''), 'this host serves github.com; it may be what is down', 'mirror.internal'),
    (2, json_object('file', '/etc/namegate/policies/deploy.policy', 'line', 11, 'pattern', 'migrations.internal', 'group',
        NULL, 'depends', 'migrations.internal -> artifacts.internal -> github.com', 'owner', 'db-team'),
        'migrations.internal -> artifacts.internal -> github.com: this host serves github.com; it may be what is down', ''),
    (3, json_object('file', '/etc/namegate/policies/groups/telemetry.policy', 'line', 8, 'pattern', '@telemetry', 'group',
        'telemetry', 'depends', '', 'owner', ''), 'a deployment tells nobody', ''),
    (4, json_object('file', '</script><b class=hacked>"''`|', 'line', 1, 'pattern', '<img src=x onerror=hacked=1>',
        'group', NULL, 'depends', '', 'owner', ''),
        '</code></script><script>window.hacked=1</script>"''`|@everyone [x](javascript:hacked=1) #1' || char(27, 10, 8238),
        '<!--<a href=javascript:hacked=1>');
-- when: milliseconds after the start
CREATE TEMP TABLE happened (deployment, lineage, name, address, port, proto, verdict, evidence, comm, rule, probe, count,
    begin, end);
INSERT INTO happened VALUES
    (1, 2, 'github.com', '198.51.100.10', 443, 'tcp', 'would-deny', 'asked', 'curl', 1, 0, 1, 900, 900),
    (1, 3, 'mirror.internal', '203.0.113.20', 443, 'tcp', 'allow', 'asked', 'curl', 0, 0, 1, 1500, 1500),
    (2, 2, 'github.com', '198.51.100.10', 443, 'tcp', 'deny', 'asked', 'curl', 1, 0, 1, 2100, 2100),
    (2, 2, 'github.com', '2001:db8:1::10', 443, 'tcp', 'deny', 'asked', 'curl', 1, 0, 1, 2101, 2101),
    (2, 4, 'github.com', '198.51.100.10', 443, 'tcp', 'deny', 'asked', 'git-remote-http', 1, 0, 4, 3000, 5200),
    (2, 6, 'api.github.com', '198.51.100.11', 443, 'tcp', 'deny', 'asked', 'python3', 1, 0, 3, 9000, 26500),
    (2, 6, 'api.github.com', '2001:db8:1::11', 443, 'udp', 'deny', 'asked', 'python3', 1, 1, 2, 9000, 9001),
    (2, 9, 'telemetry.example', '192.0.2.77', 443, 'tcp', 'deny', 'prewarmed', 'node', 3, 0, 2, 15000, 31000),
    (2, 7, 'migrations.internal', '10.20.0.14', 80, 'tcp', 'deny', 'asked', 'curl', 2, 0, 1, 28000, 28000),
    (2, 9, 'uploads.github.com', '198.51.100.19', 443, 'tcp', 'would-deny', 'shared', 'node', 1, 0, 1, 33000, 33000),
    (2, 3, 'mirror.internal', '203.0.113.20', 443, 'tcp', 'allow', 'asked', 'git', 0, 0, 2, 5600, 6900),
    (2, 5, 'db.internal', '10.20.0.5', 5432, 'tcp', 'allow', 'asked', 'psql', 0, 0, 6, 7000, 40100),
    (2, 8, 'registry.internal', '10.20.0.9', 4873, 'tcp', 'allow', 'asked', 'npm', 0, 0, 41, 12000, 30000),
    (2, 9, 'registry.internal', '10.20.0.9', 4873, 'tcp', 'allow', 'asked', 'node', 0, 0, 3, 13000, 31000),
    (2, 6, 'inventory.internal', '10.20.0.31', 443, 'tcp', 'allow', 'asked', 'python3', 0, 0, 5, 8200, 27900),
    (2, 6, NULL, '10.20.0.40', 22, 'tcp', 'allow', 'none', 'ssh', 0, 0, 2, 10000, 24000),
    (2, 6, 'ntp.internal', '10.20.0.2', 123, 'udp', 'allow', 'none', 'chronyc', 0, 0, 1, 38000, 38000),
    (3, 2, '<b class=hacked>x</b>"onload="hacked=1', '</title><script>window.hacked=1</script>', 443, 'tcp', 'deny', 'asked',
        '<i class=hacked>', 4, 0, 2, 100, 900),
    (3, 3, 'a' || char(8238) || 'moc.buhtig' || char(27) || '[2J', '198.51.100.11', 443, 'tcp', 'deny', 'asked',
        char(27) || '[31m', 4, 0, 1, 200, 200),
    (3, 0, 'nobody.example', '192.0.2.1', 0, '<script>', 'deny', '"><svg onload=hacked=1>', '', 0, 0, 1, 300, 300),
    (3, 4, printf('%.250c', 'w'), '192.0.2.2', 65535, 'tcp', 'allow', 'none', printf('%.15c', 'w'), 0, 0, 1, 400, 400),
    (3, 5, CAST(x'c328ff' AS TEXT), '192.0.2.3', 80, 'tcp', 'would-deny', 'network', 'x', 4, 0, 1, 500, 500);
INSERT INTO deployment VALUES
    (1, 'deploy.51f0aa02', 'deploy', 'deploy', 'audit', 1000, json_array('./deploy.sh', 'staging'), '/srv/app',
        1714560001000000, 1714560004200000, 1714560004200000, 0, 0, 1, 0, 0, 0),
    (2, 'deploy.7b3c19d4', 'deploy', 'deploy', 'block', 1000, json_array('./deploy.sh', 'production'), '/srv/app',
        1714564801000000, 1714564843300000, 1714564843300000, 256, 15, 1, 2, 0, 0),
    (3, 'hostile.00000003', 'hostile', '<b class=hacked>', '"onload=hacked=1', 0,
        json_array('sh', '-c', '</script><script>window.hacked=1</script>', char(27, 93, 48, 59, 7)), '/<b class=hacked>',
        1714570000000000, 1714570001000000, 1714570001000000, 9, 5, 1, 0, 3, 4);
INSERT INTO lineage VALUES
    (1, 1, 0, json_array('sh', './deploy.sh', 'staging'), '/bin/sh', 'deploy.sh', 1),
    (1, 2, 1, json_array('curl', '-fsSO', 'https://github.com/acme/app/releases/download/v3.2/app.tar.gz'), '/usr/bin/curl',
        'curl', 1),
    (1, 3, 1, json_array('curl', '-fsSO', 'https://mirror.internal/app.tar.gz'), '/usr/bin/curl', 'curl', 1),
    (2, 1, 0, json_array('sh', './deploy.sh', 'production'), '/bin/sh', 'deploy.sh', 3),
    (2, 2, 1, json_array('curl', '-fsSO', 'https://github.com/acme/app/releases/download/v3.2/app.tar.gz'), '/usr/bin/curl',
        'curl', 1),
    (2, 3, 1, json_array('git', 'clone', '-q', 'https://github.com/acme/schema.git'), '/usr/bin/git', 'git', 4),
    (2, 4, 3, json_array('git-remote-https', 'origin', 'https://github.com/acme/schema.git'),
        '/usr/lib/git-core/git-remote-https', 'git-remote-http', 4),
    (2, 5, 1, json_array('psql', '-h', 'db.internal', '-c', 'SELECT version FROM schema_info'), '/usr/bin/psql', 'psql', 6),
    (2, 6, 1, json_array('ansible-playbook', '-i', 'inventory.yml', 'site.yml', '--extra-vars', 'version=3.2 wait=true'),
        '/usr/bin/ansible-playbook', 'python3', 17),
    (2, 7, 1, json_array('curl', '-fsS', 'http://migrations.internal/run?version=3.2'), '/usr/bin/curl', 'curl', 1),
    (2, 8, 1, json_array('npm', 'ci', '--omit=dev'), '/usr/bin/npm', 'npm', 1),
    (2, 9, 8, json_array('node', 'node_modules/.bin/postinstall'), '/usr/bin/node', 'node', 12),
    (2, 10, 8, json_array('sh', '-c', 'node-gyp rebuild'), '/bin/sh', 'sh', 3),
    (2, 11, 1, json_array('systemctl', 'reload', 'app'), '/usr/bin/systemctl', 'systemctl', 1),
    (3, 1, 0, json_array('sh', '-c', '</script><script>window.hacked=1</script>'), '/bin/sh', 'sh', 1),
    (3, 2, 1, json_array('curl', '<b class=hacked>x</b>"onload="hacked=1', '<svg/onload=hacked=1>', '&#60;b&#62;', ''),
        '/usr/bin/curl', 'curl', 1),
    (3, 3, 1, json_array('x' || char(8238, 8207) || 'y', 'it''s', '`id`', '$(id)', 'a|b', '@everyone', 'tab' || char(9)),
        '/x', 'x', 1),
    (3, 4, 3, json_array(printf('%.500c', 'w'), '--' || printf('%.500c', '-')), '/w', 'w', 100000),
    (3, 5, 4, json_array('\', '\|', '</textarea></style><style>body{display:none}</style>'), '/y', 'y', 1);
-- Each lived from a little before what it did first until a little after what it did last.
INSERT INTO process SELECT l.deployment, number, parent, 4000 + number, 1000, number,
    started_us + iif(number = 1, 0, 1000 * ifnull((SELECT min(begin) - 300 FROM happened h WHERE h.deployment = l.deployment AND
        lineage IN (number, number + 1)), 41000)),
    iif(number = 1, ended_us, started_us + 1000 * ifnull((SELECT max(end) + 600 FROM happened h WHERE h.deployment = l.deployment
        AND lineage = number), 41500)), 0
    FROM lineage l JOIN deployment ON id = l.deployment WHERE l.deployment < 3;
INSERT INTO resolution SELECT deployment, lineage, name, json_array(name), json_array(address), sum(count), min(begin), max(end)
    FROM happened WHERE name IS NOT NULL AND deployment < 3 AND evidence <> 'prewarmed' GROUP BY deployment, lineage, name;
INSERT INTO flow SELECT deployment, lineage, happened.name, json_array(happened.name), json_array(happened.name), address, port,
    proto, verdict, evidence, 'connect4', iif(verdict = 'deny', 'EPERM', NULL), 4000 + lineage, 1000, comm, rules.rule, reason,
    instead, probe, 0, count, started_us + 1000 * begin, started_us + 1000 * end
    FROM happened JOIN rules ON rules.id = happened.rule JOIN deployment ON deployment.id = happened.deployment;
