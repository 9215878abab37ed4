from mavos.old_names import moved

if __name__ == "tools":
    raise moved(__name__)
