from mavos.old_names import moved

if __name__ == "dataloaders":
    raise moved(__name__)
