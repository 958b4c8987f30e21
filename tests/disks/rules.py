def check_all(binary, root):
    pass
