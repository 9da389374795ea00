from tests.accept.fuzz import examples, failures


def test_a_spoilt_configuration_gives_a_project_or_a_message():
    for index, files in enumerate(examples()):
        assert list(failures(files, 4, index)) == []
