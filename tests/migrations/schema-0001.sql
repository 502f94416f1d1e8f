BEGIN TRANSACTION;
CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT NOT NULL,
    hook        TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    event       TEXT NOT NULL,
    body        BLOB NOT NULL,
    received_at TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'new',
    error       TEXT,
    UNIQUE (source, hook, delivery_id)
) STRICT;
INSERT INTO "deliveries" VALUES(1,'github','1','guid-0','issues',X'7B22616374696F6E223A20226C6162656C6564227D','2026-11-23T12:00:00.000000+00:00','done',NULL);
INSERT INTO "deliveries" VALUES(2,'github','1','guid-1','issues',X'7B22616374696F6E223A2022636C6F736564227D','2026-11-23T12:00:01.000000+00:00','parked','Traceback: a bug');
INSERT INTO "deliveries" VALUES(3,'github','1','guid-2','issues',X'7B227A656E223A2022F09FA59A227D','2026-11-23T12:00:02.000000+00:00','new',NULL);
CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL REFERENCES tasks (id),
    run_id  INTEGER REFERENCES runs (id),
    at      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    data    TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,1,1,'2026-11-25T19:21:18.541639+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(2,1,1,'2026-11-25T19:21:18.591439+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(3,2,2,'2026-11-25T19:21:18.592712+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(4,2,2,'2026-11-25T19:21:18.597909+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(5,2,2,'2026-11-25T19:21:18.598907+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-2"}');
INSERT INTO "events" VALUES(6,2,2,'2026-11-25T19:21:18.602204+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(7,2,2,'2026-11-25T19:21:18.602349+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(8,2,2,'2026-11-25T19:21:18.603812+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(9,3,3,'2026-11-25T19:21:18.605494+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(10,3,3,'2026-11-25T19:21:18.606987+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(11,3,3,'2026-11-25T19:21:18.609755+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-3"}');
INSERT INTO "events" VALUES(12,3,3,'2026-11-25T19:21:18.611641+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(13,3,3,'2026-11-25T19:21:18.611779+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(14,3,3,'2026-11-25T19:21:18.612532+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(15,3,3,'2026-11-25T19:21:18.613253+00:00','RunMoved','{"state":"waiting","waiting_for":"answer"}');
INSERT INTO "events" VALUES(16,4,4,'2026-11-25T19:21:18.614270+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(17,4,4,'2026-11-25T19:21:18.615380+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(18,4,4,'2026-11-25T19:21:18.616165+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-4"}');
INSERT INTO "events" VALUES(19,4,4,'2026-11-25T19:21:18.712297+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(20,4,4,'2026-11-25T19:21:18.712459+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(21,4,4,'2026-11-25T19:21:18.722789+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(22,4,4,'2026-11-25T19:21:18.723688+00:00','RunMoved','{"state":"waiting","waiting_for":"approval"}');
INSERT INTO "events" VALUES(23,5,5,'2026-11-25T19:21:18.725218+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(24,5,5,'2026-11-25T19:21:18.726278+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(25,5,5,'2026-11-25T19:21:18.727211+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-5"}');
INSERT INTO "events" VALUES(26,5,5,'2026-11-25T19:21:18.741985+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(27,5,5,'2026-11-25T19:21:18.742263+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(28,5,5,'2026-11-25T19:21:18.743473+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(29,5,5,'2026-11-25T19:21:18.744541+00:00','RunMoved','{"state":"waiting","waiting_for":"quota"}');
INSERT INTO "events" VALUES(30,6,6,'2026-11-25T19:21:18.746050+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(31,6,6,'2026-11-25T19:21:18.747654+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(32,6,6,'2026-11-25T19:21:18.748523+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-6"}');
INSERT INTO "events" VALUES(33,6,6,'2026-11-25T19:21:18.750221+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(34,6,6,'2026-11-25T19:21:18.750442+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(35,6,6,'2026-11-25T19:21:18.751277+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(36,6,6,'2026-11-25T19:21:18.752071+00:00','RunMoved','{"state":"waiting","waiting_for":"weather"}');
INSERT INTO "events" VALUES(37,7,7,'2026-11-25T19:21:18.752993+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(38,7,7,'2026-11-25T19:21:18.754156+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(39,7,7,'2026-11-25T19:21:18.754791+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-20"}');
INSERT INTO "events" VALUES(40,7,7,'2026-11-25T19:21:18.756471+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(41,7,7,'2026-11-25T19:21:18.756705+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(42,7,7,'2026-11-25T19:21:18.757678+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(43,7,7,'2026-11-25T19:21:18.758510+00:00','ApprovalAsked','{"request":"r1","tool":"Bash","summary":"rm -r build"}');
INSERT INTO "events" VALUES(44,7,7,'2026-11-25T19:21:18.758934+00:00','RunMoved','{"state":"waiting","waiting_for":"approval"}');
INSERT INTO "events" VALUES(45,8,8,'2026-11-25T19:21:18.760018+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(46,8,8,'2026-11-25T19:21:18.761388+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(47,8,8,'2026-11-25T19:21:18.761994+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-21"}');
INSERT INTO "events" VALUES(48,8,8,'2026-11-25T19:21:18.763648+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(49,8,8,'2026-11-25T19:21:18.763870+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(50,8,8,'2026-11-25T19:21:18.764976+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(51,8,8,'2026-11-25T19:21:18.765914+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(52,9,9,'2026-11-25T19:21:18.767080+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(53,9,9,'2026-11-25T19:21:18.768141+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(54,9,9,'2026-11-25T19:21:18.768713+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-30"}');
INSERT INTO "events" VALUES(55,9,9,'2026-11-25T19:21:18.769905+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(56,9,9,'2026-11-25T19:21:18.770041+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(57,9,9,'2026-11-25T19:21:18.770724+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(58,9,9,'2026-11-25T19:21:18.771280+00:00','BranchPushed','{"branch":"claude/issue-30","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(59,9,9,'2026-11-25T19:21:18.771598+00:00','PullRequestOpened','{"number":130,"url":"https://github.com/octo/hello/pull/130"}');
INSERT INTO "events" VALUES(60,9,9,'2026-11-25T19:21:18.771793+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(61,9,9,'2026-11-25T19:21:18.772649+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(62,9,9,'2026-11-25T19:21:18.773462+00:00','RunMoved','{"state":"succeeded","waiting_for":null}');
INSERT INTO "events" VALUES(63,9,9,'2026-11-25T19:21:18.773599+00:00','RunSettled','{"outcome":"delivered","reason":"Because."}');
INSERT INTO "events" VALUES(64,10,10,'2026-11-25T19:21:18.775061+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(65,10,10,'2026-11-25T19:21:18.776166+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(66,10,10,'2026-11-25T19:21:18.776857+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-31"}');
INSERT INTO "events" VALUES(67,10,10,'2026-11-25T19:21:18.778015+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(68,10,10,'2026-11-25T19:21:18.778145+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(69,10,10,'2026-11-25T19:21:18.778791+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(70,10,10,'2026-11-25T19:21:18.779283+00:00','BranchPushed','{"branch":"claude/issue-31","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(71,10,10,'2026-11-25T19:21:18.779508+00:00','PullRequestOpened','{"number":131,"url":"https://github.com/octo/hello/pull/131"}');
INSERT INTO "events" VALUES(72,10,10,'2026-11-25T19:21:18.779680+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(73,10,10,'2026-11-25T19:21:18.780437+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(74,10,10,'2026-11-25T19:21:18.781236+00:00','RunMoved','{"state":"succeeded","waiting_for":null}');
INSERT INTO "events" VALUES(75,10,10,'2026-11-25T19:21:18.781377+00:00','RunSettled','{"outcome":"answered","reason":"Because."}');
INSERT INTO "events" VALUES(76,11,11,'2026-11-25T19:21:18.782682+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(77,11,11,'2026-11-25T19:21:18.783711+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(78,11,11,'2026-11-25T19:21:18.784300+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-32"}');
INSERT INTO "events" VALUES(79,11,11,'2026-11-25T19:21:18.785452+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(80,11,11,'2026-11-25T19:21:18.785588+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(81,11,11,'2026-11-25T19:21:18.786266+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(82,11,11,'2026-11-25T19:21:18.786834+00:00','BranchPushed','{"branch":"claude/issue-32","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(83,11,11,'2026-11-25T19:21:18.787007+00:00','PullRequestOpened','{"number":132,"url":"https://github.com/octo/hello/pull/132"}');
INSERT INTO "events" VALUES(84,11,11,'2026-11-25T19:21:18.787182+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(85,11,11,'2026-11-25T19:21:18.788041+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(86,11,11,'2026-11-25T19:21:18.788753+00:00','RunMoved','{"state":"stopped","waiting_for":null}');
INSERT INTO "events" VALUES(87,11,11,'2026-11-25T19:21:18.788879+00:00','RunSettled','{"outcome":"stopped","reason":"Because."}');
INSERT INTO "events" VALUES(88,12,12,'2026-11-25T19:21:18.800071+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(89,12,12,'2026-11-25T19:21:18.806287+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(90,12,12,'2026-11-25T19:21:18.827106+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-33"}');
INSERT INTO "events" VALUES(91,12,12,'2026-11-25T19:21:18.848386+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(92,12,12,'2026-11-25T19:21:18.848537+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(93,12,12,'2026-11-25T19:21:18.850562+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(94,12,12,'2026-11-25T19:21:18.857203+00:00','BranchPushed','{"branch":"claude/issue-33","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(95,12,12,'2026-11-25T19:21:18.857495+00:00','PullRequestOpened','{"number":133,"url":"https://github.com/octo/hello/pull/133"}');
INSERT INTO "events" VALUES(96,12,12,'2026-11-25T19:21:18.857681+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(97,12,12,'2026-11-25T19:21:18.883560+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(98,12,12,'2026-11-25T19:21:18.892649+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(99,12,12,'2026-11-25T19:21:18.892800+00:00','RunSettled','{"outcome":"over_limit","reason":"Because."}');
INSERT INTO "events" VALUES(100,13,13,'2026-11-25T19:21:18.894625+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(101,13,13,'2026-11-25T19:21:18.895708+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(102,13,13,'2026-11-25T19:21:18.896330+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-34"}');
INSERT INTO "events" VALUES(103,13,13,'2026-11-25T19:21:18.897505+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(104,13,13,'2026-11-25T19:21:18.897634+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(105,13,13,'2026-11-25T19:21:18.898367+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(106,13,13,'2026-11-25T19:21:18.898893+00:00','BranchPushed','{"branch":"claude/issue-34","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(107,13,13,'2026-11-25T19:21:18.899854+00:00','PullRequestOpened','{"number":134,"url":"https://github.com/octo/hello/pull/134"}');
INSERT INTO "events" VALUES(108,13,13,'2026-11-25T19:21:18.900056+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(109,13,13,'2026-11-25T19:21:18.901416+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(110,13,13,'2026-11-25T19:21:18.902562+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(111,13,13,'2026-11-25T19:21:18.902701+00:00','RunSettled','{"outcome":"unauthorized","reason":"Because."}');
INSERT INTO "events" VALUES(112,14,14,'2026-11-25T19:21:18.910229+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(113,14,14,'2026-11-25T19:21:18.911295+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(114,14,14,'2026-11-25T19:21:18.911944+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-35"}');
INSERT INTO "events" VALUES(115,14,14,'2026-11-25T19:21:18.913190+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(116,14,14,'2026-11-25T19:21:18.913323+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(117,14,14,'2026-11-25T19:21:18.914200+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(118,14,14,'2026-11-25T19:21:18.914858+00:00','BranchPushed','{"branch":"claude/issue-35","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(119,14,14,'2026-11-25T19:21:18.915036+00:00','PullRequestOpened','{"number":135,"url":"https://github.com/octo/hello/pull/135"}');
INSERT INTO "events" VALUES(120,14,14,'2026-11-25T19:21:18.915213+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(121,14,14,'2026-11-25T19:21:18.916065+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(122,14,14,'2026-11-25T19:21:18.917070+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(123,14,14,'2026-11-25T19:21:18.917219+00:00','RunSettled','{"outcome":"out_of_credit","reason":"Because."}');
INSERT INTO "events" VALUES(124,15,15,'2026-11-25T19:21:18.920292+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(125,15,15,'2026-11-25T19:21:18.921923+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(126,15,15,'2026-11-25T19:21:18.922852+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-36"}');
INSERT INTO "events" VALUES(127,15,15,'2026-11-25T19:21:18.927652+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(128,15,15,'2026-11-25T19:21:18.927790+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(129,15,15,'2026-11-25T19:21:18.928528+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(130,15,15,'2026-11-25T19:21:18.929245+00:00','BranchPushed','{"branch":"claude/issue-36","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(131,15,15,'2026-11-25T19:21:18.929456+00:00','PullRequestOpened','{"number":136,"url":"https://github.com/octo/hello/pull/136"}');
INSERT INTO "events" VALUES(132,15,15,'2026-11-25T19:21:18.929712+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(133,15,15,'2026-11-25T19:21:18.930522+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(134,15,15,'2026-11-25T19:21:18.931264+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(135,15,15,'2026-11-25T19:21:18.931451+00:00','RunSettled','{"outcome":"unavailable","reason":"Because."}');
INSERT INTO "events" VALUES(136,16,16,'2026-11-25T19:21:18.932750+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(137,16,16,'2026-11-25T19:21:18.933718+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(138,16,16,'2026-11-25T19:21:18.934311+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-37"}');
INSERT INTO "events" VALUES(139,16,16,'2026-11-25T19:21:18.935830+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(140,16,16,'2026-11-25T19:21:18.935962+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(141,16,16,'2026-11-25T19:21:18.943998+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(142,16,16,'2026-11-25T19:21:18.944572+00:00','BranchPushed','{"branch":"claude/issue-37","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(143,16,16,'2026-11-25T19:21:18.944762+00:00','PullRequestOpened','{"number":137,"url":"https://github.com/octo/hello/pull/137"}');
INSERT INTO "events" VALUES(144,16,16,'2026-11-25T19:21:18.944950+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(145,16,16,'2026-11-25T19:21:18.945751+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(146,16,16,'2026-11-25T19:21:18.946518+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(147,16,16,'2026-11-25T19:21:18.946704+00:00','RunSettled','{"outcome":"crashed","reason":"Because."}');
INSERT INTO "events" VALUES(148,17,17,'2026-11-25T19:21:18.948068+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(149,17,17,'2026-11-25T19:21:18.949111+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(150,17,17,'2026-11-25T19:21:18.949731+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-38"}');
INSERT INTO "events" VALUES(151,17,17,'2026-11-25T19:21:18.950878+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(152,17,17,'2026-11-25T19:21:18.951009+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(153,17,17,'2026-11-25T19:21:18.951711+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(154,17,17,'2026-11-25T19:21:18.952343+00:00','BranchPushed','{"branch":"claude/issue-38","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(155,17,17,'2026-11-25T19:21:18.952529+00:00','PullRequestOpened','{"number":138,"url":"https://github.com/octo/hello/pull/138"}');
INSERT INTO "events" VALUES(156,17,17,'2026-11-25T19:21:18.952703+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(157,17,17,'2026-11-25T19:21:18.953484+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(158,17,17,'2026-11-25T19:21:18.954218+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(159,17,17,'2026-11-25T19:21:18.954350+00:00','RunSettled','{"outcome":"unworkable","reason":"Because."}');
INSERT INTO "events" VALUES(160,18,18,'2026-11-25T19:21:18.955769+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(161,18,18,'2026-11-25T19:21:18.956870+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(162,18,18,'2026-11-25T19:21:18.957574+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-39"}');
INSERT INTO "events" VALUES(163,18,18,'2026-11-25T19:21:18.960327+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(164,18,18,'2026-11-25T19:21:18.960464+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(165,18,18,'2026-11-25T19:21:18.961948+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(166,18,18,'2026-11-25T19:21:18.962937+00:00','BranchPushed','{"branch":"claude/issue-39","sha":"0123456789abcdef0123456789abcdef01234567","commits":1,"files":1,"insertions":2,"deletions":3}');
INSERT INTO "events" VALUES(167,18,18,'2026-11-25T19:21:18.963126+00:00','PullRequestOpened','{"number":139,"url":"https://github.com/octo/hello/pull/139"}');
INSERT INTO "events" VALUES(168,18,18,'2026-11-25T19:21:18.963281+00:00','TurnEnded','{"cost_usd":0.25,"turns":3,"is_error":false,"answer":"It is done."}');
INSERT INTO "events" VALUES(169,18,18,'2026-11-25T19:21:18.969885+00:00','RunMoved','{"state":"publishing","waiting_for":null}');
INSERT INTO "events" VALUES(170,18,18,'2026-11-25T19:21:18.972028+00:00','RunMoved','{"state":"failed","waiting_for":null}');
INSERT INTO "events" VALUES(171,18,18,'2026-11-25T19:21:18.972160+00:00','RunSettled','{"outcome":"withheld","reason":"Because."}');
INSERT INTO "events" VALUES(172,19,19,'2026-11-25T19:21:18.981550+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
INSERT INTO "events" VALUES(173,19,19,'2026-11-25T19:21:18.987741+00:00','RunMoved','{"state":"starting","waiting_for":null}');
INSERT INTO "events" VALUES(174,19,19,'2026-11-25T19:21:18.991850+00:00','WorkspacePrepared','{"base":"main","base_sha":"0123456789abcdef0123456789abcdef01234567","branch":"claude/issue-10"}');
INSERT INTO "events" VALUES(175,19,19,'2026-11-25T19:21:19.003527+00:00','RunMoved','{"state":"running","waiting_for":null}');
INSERT INTO "events" VALUES(176,19,19,'2026-11-25T19:21:19.003650+00:00','LaunchStarted','{"launch":1,"sandbox":"bwrap"}');
INSERT INTO "events" VALUES(177,19,19,'2026-11-25T19:21:19.006514+00:00','AgentSaid','{"text":"I look at it."}');
INSERT INTO "events" VALUES(178,19,19,'2026-11-25T19:21:19.017936+00:00','RunMoved','{"state":"waiting","waiting_for":"slot"}');
INSERT INTO "events" VALUES(179,9,20,'2026-11-25T19:21:19.019084+00:00','RunQueued','{"trigger":"command","actor":"anna"}');
INSERT INTO "events" VALUES(180,9,20,'2026-11-25T19:21:19.024216+00:00','StopAsked','{"actor":"anna","why":"label removed"}');
INSERT INTO "events" VALUES(181,20,21,'2026-11-25T19:21:19.028502+00:00','RunQueued','{"trigger":"label","actor":"anna"}');
CREATE TABLE receipts (
    task_id   INTEGER NOT NULL REFERENCES tasks (id),
    reporter  TEXT NOT NULL,
    digest    TEXT NOT NULL,
    reference TEXT NOT NULL,
    at        TEXT NOT NULL,
    PRIMARY KEY (task_id, reporter)
) STRICT, WITHOUT ROWID;
INSERT INTO "receipts" VALUES(9,'issue','digest','30','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(10,'issue','digest','31','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(11,'issue','digest','32','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(12,'issue','digest','33','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(13,'issue','digest','34','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(14,'issue','digest','35','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(15,'issue','digest','36','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(16,'issue','digest','37','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(17,'issue','digest','38','2030-01-01T00:00:00.000000+00:00');
INSERT INTO "receipts" VALUES(18,'issue','digest','39','2030-01-01T00:00:00.000000+00:00');
CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id       INTEGER NOT NULL REFERENCES tasks (id),
    state         TEXT NOT NULL,
    trigger       TEXT NOT NULL,
    actor_login   TEXT NOT NULL,
    actor_id      INTEGER NOT NULL,
    waiting_for   TEXT,
    waiting_until TEXT,
    stop_asked_by TEXT,
    launch        INTEGER NOT NULL DEFAULT 0,
    attempt       INTEGER NOT NULL DEFAULT 0,
    cost_usd      REAL NOT NULL DEFAULT 0,
    turns         INTEGER NOT NULL DEFAULT 0,
    outcome       TEXT,
    reason        TEXT NOT NULL DEFAULT '',
    created_at    TEXT NOT NULL,
    started_at    TEXT,
    ended_at      TEXT,
    -- how far the spool of the current launch has been read, and what its lines left half said
    spool_offset  INTEGER NOT NULL DEFAULT 0,
    progress      TEXT NOT NULL DEFAULT '',
    CHECK ((state = 'waiting') = (waiting_for IS NOT NULL))
) STRICT;
INSERT INTO "runs" VALUES(1,1,'starting','label','anna',7,NULL,NULL,NULL,0,0,0.0,0,NULL,'','2026-11-25T19:21:18.541355+00:00','2026-11-25T19:21:18.591003+00:00',NULL,0,'');
INSERT INTO "runs" VALUES(2,2,'running','label','anna',7,NULL,NULL,NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.592620+00:00','2026-11-25T19:21:18.597756+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(3,3,'waiting','label','anna',7,'answer',NULL,NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.605400+00:00','2026-11-25T19:21:18.606821+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(4,4,'waiting','label','anna',7,'approval',NULL,NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.614184+00:00','2026-11-25T19:21:18.615272+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(5,5,'waiting','label','anna',7,'quota','2030-01-01T00:00:00.000000+00:00',NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.725120+00:00','2026-11-25T19:21:18.726140+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(6,6,'waiting','label','anna',7,'weather','2030-01-01T00:00:00.000000+00:00',NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.745884+00:00','2026-11-25T19:21:18.747440+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(7,7,'waiting','label','anna',7,'approval','2026-11-25T19:31:18.758726+00:00',NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.752910+00:00','2026-11-25T19:21:18.754032+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(8,8,'publishing','label','anna',7,NULL,NULL,NULL,1,0,0.0,0,'delivered','','2026-11-25T19:21:18.759865+00:00','2026-11-25T19:21:18.761276+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(9,9,'succeeded','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'delivered','Because.','2026-11-25T19:21:18.766995+00:00','2026-11-25T19:21:18.768023+00:00','2026-11-25T19:21:18.773357+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(10,10,'succeeded','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'answered','Because.','2026-11-25T19:21:18.774974+00:00','2026-11-25T19:21:18.776024+00:00','2026-11-25T19:21:18.781063+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(11,11,'stopped','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'stopped','Because.','2026-11-25T19:21:18.782601+00:00','2026-11-25T19:21:18.783594+00:00','2026-11-25T19:21:18.788638+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(12,12,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'over_limit','Because.','2026-11-25T19:21:18.799958+00:00','2026-11-25T19:21:18.806124+00:00','2026-11-25T19:21:18.892477+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(13,13,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'unauthorized','Because.','2026-11-25T19:21:18.894537+00:00','2026-11-25T19:21:18.895582+00:00','2026-11-25T19:21:18.902437+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(14,14,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'out_of_credit','Because.','2026-11-25T19:21:18.910130+00:00','2026-11-25T19:21:18.911165+00:00','2026-11-25T19:21:18.916760+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(15,15,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'unavailable','Because.','2026-11-25T19:21:18.920205+00:00','2026-11-25T19:21:18.921789+00:00','2026-11-25T19:21:18.931137+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(16,16,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'crashed','Because.','2026-11-25T19:21:18.932681+00:00','2026-11-25T19:21:18.933601+00:00','2026-11-25T19:21:18.946398+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(17,17,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'unworkable','Because.','2026-11-25T19:21:18.947985+00:00','2026-11-25T19:21:18.948977+00:00','2026-11-25T19:21:18.954113+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(18,18,'failed','label','anna',7,NULL,NULL,NULL,1,0,0.25,3,'withheld','Because.','2026-11-25T19:21:18.955666+00:00','2026-11-25T19:21:18.956734+00:00','2026-11-25T19:21:18.971793+00:00',1200,'{"a": 1}');
INSERT INTO "runs" VALUES(19,19,'waiting','label','anna',7,'slot',NULL,NULL,1,0,0.0,0,NULL,'','2026-11-25T19:21:18.981443+00:00','2026-11-25T19:21:18.987583+00:00',NULL,1200,'{"a": 1}');
INSERT INTO "runs" VALUES(20,9,'queued','command','anna',7,NULL,NULL,'anna',0,0,0.0,0,NULL,'','2026-11-25T19:21:19.019002+00:00',NULL,NULL,0,'');
INSERT INTO "runs" VALUES(21,20,'queued','label','anna',7,NULL,NULL,NULL,0,0,0.0,0,NULL,'','2026-11-25T19:21:19.028396+00:00',NULL,NULL,0,'');
CREATE TABLE spending (
    day TEXT PRIMARY KEY,
    usd REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "spending" VALUES('2026-11-25',2.5);
CREATE TABLE tasks (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    source              TEXT NOT NULL,
    identity            TEXT NOT NULL,
    key                 TEXT NOT NULL,
    url                 TEXT NOT NULL,
    title               TEXT NOT NULL,
    host                TEXT NOT NULL,
    repository_id       INTEGER NOT NULL,
    repository          TEXT NOT NULL,
    clone_url           TEXT NOT NULL,
    default_branch      TEXT NOT NULL,
    requester_login     TEXT NOT NULL,
    requester_id        INTEGER NOT NULL,
    branch              TEXT NOT NULL,
    session_id          TEXT NOT NULL,
    base_sha            TEXT,
    pushed_sha          TEXT,
    pull_request_number INTEGER,
    pull_request_url    TEXT,
    pull_request_state  TEXT,
    pull_request_draft  INTEGER,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    UNIQUE (source, identity)
) STRICT;
INSERT INTO "tasks" VALUES(1,'github','github.com/1296269/1','octo/hello#1','https://github.com/octo/hello/issues/1','The parser drops line 1 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-1','30e796db-1ef6-43e0-88af-5039680f2286',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.541043+00:00','2026-11-25T19:21:18.591439+00:00');
INSERT INTO "tasks" VALUES(2,'github','github.com/1296269/2','octo/hello#2','https://github.com/octo/hello/issues/2','The parser drops line 2 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-2','b18ecda2-7e6a-4349-b41b-7128ce22bd69','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.592455+00:00','2026-11-25T19:21:18.603812+00:00');
INSERT INTO "tasks" VALUES(3,'github','github.com/1296269/3','octo/hello#3','https://github.com/octo/hello/issues/3','The parser drops line 3 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-3','3dc2d011-ef50-4318-9aca-21d3eda8d73a','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.605236+00:00','2026-11-25T19:21:18.613253+00:00');
INSERT INTO "tasks" VALUES(4,'github','github.com/1296269/4','octo/hello#4','https://github.com/octo/hello/issues/4','The parser drops line 4 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-4','5e8b604c-bb13-4144-9783-44b703bf6e55','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.614007+00:00','2026-11-25T19:21:18.723688+00:00');
INSERT INTO "tasks" VALUES(5,'github','github.com/1296269/5','octo/hello#5','https://github.com/octo/hello/issues/5','The parser drops line 5 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-5','8c48f946-5fc3-4ff7-b8ec-18ba5c15ea7c','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.724955+00:00','2026-11-25T19:21:18.744541+00:00');
INSERT INTO "tasks" VALUES(6,'github','github.com/1296269/6','octo/hello#6','https://github.com/octo/hello/issues/6','The parser drops line 6 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-6','667e6202-3dda-4985-b4bb-f61fbfeaefa3','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.745585+00:00','2026-11-25T19:21:18.752071+00:00');
INSERT INTO "tasks" VALUES(7,'github','github.com/1296269/20','octo/hello#20','https://github.com/octo/hello/issues/20','The parser drops line 20 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-20','f7feaac6-030f-4623-8bb6-f66992a04a45','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.752779+00:00','2026-11-25T19:21:18.758934+00:00');
INSERT INTO "tasks" VALUES(8,'github','github.com/1296269/21','octo/hello#21','https://github.com/octo/hello/issues/21','The parser drops line 21 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-21','e930cc64-62a5-4300-9566-d2db86fab4d1','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.759617+00:00','2026-11-25T19:21:18.765914+00:00');
INSERT INTO "tasks" VALUES(9,'github','github.com/1296269/30','octo/hello#30','https://github.com/octo/hello/issues/30','The parser drops line 30 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-30','bb0dc2ce-023f-4fc5-b900-edfaf82ddf67','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',130,'https://github.com/octo/hello/pull/130','open',1,'2026-11-25T19:21:18.766815+00:00','2026-11-25T19:21:19.024216+00:00');
INSERT INTO "tasks" VALUES(10,'github','github.com/1296269/31','octo/hello#31','https://github.com/octo/hello/issues/31','The parser drops line 31 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-31','14d1b976-c9f6-4dc4-a7ab-032ded6390d4','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',131,'https://github.com/octo/hello/pull/131','open',1,'2026-11-25T19:21:18.774823+00:00','2026-11-25T19:21:18.781377+00:00');
INSERT INTO "tasks" VALUES(11,'github','github.com/1296269/32','octo/hello#32','https://github.com/octo/hello/issues/32','The parser drops line 32 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-32','0eba6d15-6549-4038-bd5a-319efaf9fe11','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',132,'https://github.com/octo/hello/pull/132','open',1,'2026-11-25T19:21:18.782445+00:00','2026-11-25T19:21:18.788879+00:00');
INSERT INTO "tasks" VALUES(12,'github','github.com/1296269/33','octo/hello#33','https://github.com/octo/hello/issues/33','The parser drops line 33 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-33','3009fb0e-f2c3-49f3-bcac-7a4a4e136493','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',133,'https://github.com/octo/hello/pull/133','open',1,'2026-11-25T19:21:18.799786+00:00','2026-11-25T19:21:18.892800+00:00');
INSERT INTO "tasks" VALUES(13,'github','github.com/1296269/34','octo/hello#34','https://github.com/octo/hello/issues/34','The parser drops line 34 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-34','7cffc54b-3744-4c59-a074-a3ff279a9e4c','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',134,'https://github.com/octo/hello/pull/134','open',1,'2026-11-25T19:21:18.894377+00:00','2026-11-25T19:21:18.902701+00:00');
INSERT INTO "tasks" VALUES(14,'github','github.com/1296269/35','octo/hello#35','https://github.com/octo/hello/issues/35','The parser drops line 35 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-35','6d6a0565-b290-4223-bd3f-837e83dbdf1a','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',135,'https://github.com/octo/hello/pull/135','open',1,'2026-11-25T19:21:18.909989+00:00','2026-11-25T19:21:18.917219+00:00');
INSERT INTO "tasks" VALUES(15,'github','github.com/1296269/36','octo/hello#36','https://github.com/octo/hello/issues/36','The parser drops line 36 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-36','a3b3e24b-045e-4677-a8cb-99b8f04ab45a','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',136,'https://github.com/octo/hello/pull/136','open',1,'2026-11-25T19:21:18.920049+00:00','2026-11-25T19:21:18.931451+00:00');
INSERT INTO "tasks" VALUES(16,'github','github.com/1296269/37','octo/hello#37','https://github.com/octo/hello/issues/37','The parser drops line 37 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-37','59cba78a-44e6-44ed-bbcc-566badac149c','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',137,'https://github.com/octo/hello/pull/137','open',1,'2026-11-25T19:21:18.932519+00:00','2026-11-25T19:21:18.946704+00:00');
INSERT INTO "tasks" VALUES(17,'github','github.com/1296269/38','octo/hello#38','https://github.com/octo/hello/issues/38','The parser drops line 38 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-38','84a0c11c-f90c-4a7d-a9a4-d66cc4c3dbf1','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',138,'https://github.com/octo/hello/pull/138','open',1,'2026-11-25T19:21:18.947830+00:00','2026-11-25T19:21:18.954350+00:00');
INSERT INTO "tasks" VALUES(18,'github','github.com/1296269/39','octo/hello#39','https://github.com/octo/hello/issues/39','The parser drops line 39 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-39','f3cb1ee1-fabc-4809-b7b1-e8d28cff2905','0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567',139,'https://github.com/octo/hello/pull/139','open',1,'2026-11-25T19:21:18.955480+00:00','2026-11-25T19:21:18.972160+00:00');
INSERT INTO "tasks" VALUES(19,'github','github.com/1296269/10','octo/hello#10','https://github.com/octo/hello/issues/10','The parser drops line 10 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-10','2033f492-8c7a-4b1b-bc20-edbf52208717','0123456789abcdef0123456789abcdef01234567',NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:18.981275+00:00','2026-11-25T19:21:19.017936+00:00');
INSERT INTO "tasks" VALUES(20,'github','github.com/1296269/90','octo/hello#90','https://github.com/octo/hello/issues/90','The parser drops line 90 🥚','github.com',1296269,'octo/hello','https://github.com/octo/hello.git','main','anna',7,'claude/issue-90','5fd7db75-f88c-484f-a120-9e4cb605ccba',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-25T19:21:19.028216+00:00','2026-11-25T19:21:19.028502+00:00');
CREATE TABLE triggers (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id      INTEGER NOT NULL REFERENCES tasks (id),
    run_id       INTEGER NOT NULL REFERENCES runs (id),
    kind         TEXT NOT NULL,
    actor_login  TEXT NOT NULL,
    actor_id     INTEGER NOT NULL,
    instruction  TEXT NOT NULL,
    said         TEXT NOT NULL,
    uuid         TEXT NOT NULL UNIQUE,
    joined       INTEGER NOT NULL,  -- it came while the run was active already
    acknowledged INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL
) STRICT;
INSERT INTO "triggers" VALUES(1,1,1,'label','anna',7,'Mend line 1.','','wish-1-label',0,0,'2026-11-25T19:21:18.541798+00:00');
INSERT INTO "triggers" VALUES(2,2,2,'label','anna',7,'Mend line 2.','','wish-2-label',0,0,'2026-11-25T19:21:18.592816+00:00');
INSERT INTO "triggers" VALUES(3,3,3,'label','anna',7,'Mend line 3.','','wish-3-label',0,0,'2026-11-25T19:21:18.605591+00:00');
INSERT INTO "triggers" VALUES(4,4,4,'label','anna',7,'Mend line 4.','','wish-4-label',0,0,'2026-11-25T19:21:18.614367+00:00');
INSERT INTO "triggers" VALUES(5,5,5,'label','anna',7,'Mend line 5.','','wish-5-label',0,0,'2026-11-25T19:21:18.725317+00:00');
INSERT INTO "triggers" VALUES(6,6,6,'label','anna',7,'Mend line 6.','','wish-6-label',0,0,'2026-11-25T19:21:18.746218+00:00');
INSERT INTO "triggers" VALUES(7,7,7,'label','anna',7,'Mend line 20.','','wish-20-label',0,0,'2026-11-25T19:21:18.753087+00:00');
INSERT INTO "triggers" VALUES(8,8,8,'label','anna',7,'Mend line 21.','','wish-21-label',0,0,'2026-11-25T19:21:18.760191+00:00');
INSERT INTO "triggers" VALUES(9,9,9,'label','anna',7,'Mend line 30.','','wish-30-label',0,0,'2026-11-25T19:21:18.767174+00:00');
INSERT INTO "triggers" VALUES(10,10,10,'label','anna',7,'Mend line 31.','','wish-31-label',0,0,'2026-11-25T19:21:18.775154+00:00');
INSERT INTO "triggers" VALUES(11,11,11,'label','anna',7,'Mend line 32.','','wish-32-label',0,0,'2026-11-25T19:21:18.782773+00:00');
INSERT INTO "triggers" VALUES(12,12,12,'label','anna',7,'Mend line 33.','','wish-33-label',0,0,'2026-11-25T19:21:18.800174+00:00');
INSERT INTO "triggers" VALUES(13,13,13,'label','anna',7,'Mend line 34.','','wish-34-label',0,0,'2026-11-25T19:21:18.894720+00:00');
INSERT INTO "triggers" VALUES(14,14,14,'label','anna',7,'Mend line 35.','','wish-35-label',0,0,'2026-11-25T19:21:18.910327+00:00');
INSERT INTO "triggers" VALUES(15,15,15,'label','anna',7,'Mend line 36.','','wish-36-label',0,0,'2026-11-25T19:21:18.920390+00:00');
INSERT INTO "triggers" VALUES(16,16,16,'label','anna',7,'Mend line 37.','','wish-37-label',0,0,'2026-11-25T19:21:18.932834+00:00');
INSERT INTO "triggers" VALUES(17,17,17,'label','anna',7,'Mend line 38.','','wish-38-label',0,0,'2026-11-25T19:21:18.948160+00:00');
INSERT INTO "triggers" VALUES(18,18,18,'label','anna',7,'Mend line 39.','','wish-39-label',0,0,'2026-11-25T19:21:18.955864+00:00');
INSERT INTO "triggers" VALUES(19,19,19,'label','anna',7,'Mend line 10.','','wish-10-label',0,0,'2026-11-25T19:21:18.981653+00:00');
INSERT INTO "triggers" VALUES(20,9,20,'command','anna',7,'Mend line 30.','','wish-30-command',0,0,'2026-11-25T19:21:19.019173+00:00');
INSERT INTO "triggers" VALUES(21,20,21,'label','anna',7,'Mend line 90.','','wish-90-label',0,0,'2026-11-25T19:21:19.029560+00:00');
CREATE INDEX tasks_by_pull_request ON tasks (host, repository_id, pull_request_number);
CREATE UNIQUE INDEX one_active_run ON runs (task_id)
    WHERE state IN ('queued', 'starting', 'running', 'waiting', 'publishing');
CREATE INDEX active_runs ON runs (id)
    WHERE state IN ('queued', 'starting', 'running', 'waiting', 'publishing');
CREATE INDEX runs_by_task ON runs (task_id, id);
CREATE INDEX triggers_by_run ON triggers (run_id, id);
CREATE INDEX events_by_task ON events (task_id, id);
CREATE INDEX new_deliveries ON deliveries (id) WHERE state = 'new';
CREATE INDEX parked_deliveries ON deliveries (id) WHERE state = 'parked';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('tasks',20);
INSERT INTO "sqlite_sequence" VALUES('runs',21);
INSERT INTO "sqlite_sequence" VALUES('events',181);
INSERT INTO "sqlite_sequence" VALUES('triggers',21);
INSERT INTO "sqlite_sequence" VALUES('deliveries',3);
COMMIT;
PRAGMA user_version = 1;
