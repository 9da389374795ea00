"""Several files at once: what they are, what belongs together; and files that are broken in any way."""

import pytest

from fenceline.cli import main
from fenceline.core.errors import FencelineError
from fenceline.importers.kinds import kind_of
from tests.importers import fuzz
from tests.importers.files import DATA, imported, source

KINDS = {"r2-ha.cf": "ha.cf", "r2-haresources": "haresources", "r5-ha.cf": "ha.cf", "r5-haresources": "haresources",
         "r5-authkeys": "authkeys", "lvs.conf": "keepalived.conf", "haproxy-lb1.conf": "keepalived.conf",
         "cluster.conf": "cluster.conf", "r6-cluster.conf": "cluster.conf", "cib.xml": "cib",
         "corosync.conf": "corosync.conf", "r5-drbd.conf": "drbd.conf", "single-primary.res": "drbd.conf",
         "dual-primary.res": "drbd.conf",
         "crm.txt": "crm", "pcs.sh": "pcs"}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_file_is_recognised_by_its_content(name, kind):
    assert kind_of(source("whatever", (DATA / name).read_text())).name == kind


def test_a_comment_behind_the_method_is_none_of_it():
    assert kind_of(source("x", "auth 1     # which\n1 crc   # no secret\n")).name == "authkeys"


@pytest.mark.parametrize(("files", "words"), [
    (["lvs.conf", "cib.xml"], "lvs.conf and cib.xml are of two clusters"),
    (["r2-ha.cf"], "only r2-ha.cf .ha.cf.: give ha.cf and haresources together"),
    (["corosync.conf"], "give a CIB"),
    (["lvs.conf", "corosync.conf"], "corosync.conf is a corosync.conf: it has no place beside a keepalived.conf"),
    (["cib.xml", "cib.xml"], "both a cib: give one")])
def test_files_that_do_not_belong_together(files, words):
    with pytest.raises(FencelineError, match=words):
        imported(*files)


@pytest.mark.parametrize(("text", "words"), [
    ("", "is empty"), ("# nothing\n", "only comments: it names no service"),
    ("dear all,\nhello\n", "not recognised; there can be imported: ha.cf, haresources, "
                               "authkeys, keepalived.conf, drbd.conf .or \\*.res., a CIB .cibadmin --query., crm shell "
                               "text .crm configure show., a script of pcs commands, corosync.conf, cluster.conf$"),
    ("<html></html>", "<html> is neither a CIB .cibadmin --query. nor a cluster.conf$")])
def test_other_files_are_refused(text, words):
    with pytest.raises(FencelineError, match=words):
        kind_of(source("x", text))


@pytest.mark.parametrize("example", fuzz.EXAMPLES, ids=lambda example: example[0].parent.name + "-" + example[0].name)
def test_whatever_is_cut_off_or_spoilt_there_is_a_topology_or_one_clear_message(example):
    assert not list(fuzz.failures(example, 10 if example[0].parent.parent.name == "cases" else 150))


def test_fuzzing_goes_red_where_an_importer_has_a_traceback(monkeypatch):
    monkeypatch.setattr(fuzz, "import_sources", lambda sources, name: {}["nothing"])
    assert "KeyError" in next(fuzz.failures(fuzz.EXAMPLES[0], 1))


def test_the_command_prints_a_topology_with_its_notes(tmp_path, capsys):
    assert main(["import", str(DATA / "r2-haresources"), str(DATA / "r2-ha.cf"), "--name", "r2"]) == 0
    out = capsys.readouterr()
    assert "name: r2\n" in out.out
    assert f"#  - {DATA / 'r2-ha.cf'}:12: ping 192.168.60.1" in out.out
    assert f"{DATA / 'r2-ha.cf'}:12: ping" in out.err
    path = tmp_path / "r2.yaml"
    path.write_text(out.out)
    assert main(["topology", "check", str(path)]) == 0


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"\xff\xfe\x00", "no UTF-8")])
def test_the_command_says_what_is_wrong_with_a_file(tmp_path, capsys, content, words):
    path = tmp_path / "ha.cf"
    if content is not None:
        path.write_bytes(content)
    assert main(["import", str(path)]) == 1
    assert words in capsys.readouterr().err


def test_words_that_two_kinds_know_are_of_the_one_that_is_surer():
    assert kind_of(source("x", "virtual_server 192.168.60.9 80 {\n}\n")).name == "keepalived.conf"
    assert kind_of(source("x", "node one\npcs cluster setup x one\n")).name == "pcs"
