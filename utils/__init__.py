from mavos.old_names import moved

if __name__ == "utils":
    raise moved(__name__)
