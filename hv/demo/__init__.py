"""The main job as a story: boot, touch, inflate, hibernate; the process ends; a new one resumes; both books
agree.

`stages` runs each machine in a process of its own, `story` narrates and judges. They share `plan`.
"""
