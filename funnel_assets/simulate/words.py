"""Small word lists of the invented worlds: names, cities, programmes.

Everything here is invented or general knowledge; no list comes from real records. E-mail domains are the ones
reserved for documentation, so no message can ever reach anyone.
"""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _listed(
    """
    Aarav Aditi Aditya Aishwarya Ajay Akash Akshay Amit Amrita Ananya Anil Anita Anjali Ankit Arjun Arun
    Asha Ashwin Bhavna Bhuvan Chetan Chitra Deepa Deepak Devika Dhruv Divya Esha Farhan Gaurav Gayatri
    Geeta Girish Gopal Harini Harish Hemant Imran Indira Isha Ishaan Jatin Jaya Jyoti Kabir Kajal Kamal
    Karan Kavita Keerthi Kiran Kishore Komal Krishna Lakshmi Lalit Lata Leela Madhav Mahesh Manish Manju
    Meena Meera Mohan Mukesh Nadia Naina Namrata Nandini Naveen Neha Nikhil Nisha Nitin Omkar Pallavi
    Pankaj Parul Pooja Prakash Pranav Prashant Pratik Preeti Priya Rachna Radhika Rahul Rajesh Rakesh
    Ramesh Ravi Reena Rekha Ritika Rohan Rohit Rupa Sachin Sameer Sandeep Sanjana Sanjay Sarita Seema
    Shalini Shankar Shilpa Shreya Shruti Siddharth Simran Smita Sneha Sonal Srinivas Subhash Sudha
    Sujata Sumit Sunita Suresh Swati Tanvi Tarun Tejas Uday Uma Urvashi Vaibhav Vandana Varun Vasudha
    Vidya Vijay Vikas Vinay Vinod Vishal Vivek Yamini Yash Zara Zubin
    """
)

LAST_NAMES = _listed(
    """
    Agarwal Ahuja Anand Arora Bajaj Balan Banerjee Basu Bhat Bhatia Bose Chandra Chatterjee Chauhan
    Chawla Chopra Das Datta Desai Deshpande Dhawan Dixit Fernandes Ghosh Gill Goel Gokhale Gowda Grover
    Gupta Hegde Iyengar Iyer Jadhav Jain Jha Joshi Kale Kapoor Kaul Kaur Khan Khanna Khurana Kohli
    Krishnan Kulkarni Kumar Lal Mahajan Malhotra Malik Mathur Mehra Mehta Menon Mishra Mistry Mohanty
    Mukherjee Murthy Nair Nambiar Narang Nayak Negi Oberoi Pandey Parekh Patel Pathak Patil Pereira
    Pillai Prabhu Prasad Puri Rajan Raman Rana Rao Rastogi Rathore Rawat Reddy Roy Sabharwal Saha Saini
    Saxena Sen Seth Shah Sharma Shetty Shukla Singh Sinha Sodhi Sood Srivastava Subramanian Suri Swamy
    Talwar Tandon Thakur Tiwari Trivedi Tyagi Upadhyay Varghese Varma Venkatesh Verma Vyas Wadhwa Yadav
    """
)

CITIES = _listed(
    """
    Mumbai Delhi Bengaluru Hyderabad Chennai Kolkata Pune Ahmedabad Jaipur Lucknow Kanpur Nagpur Indore
    Bhopal Patna Vadodara Ludhiana Agra Nashik Surat Rajkot Meerut Varanasi Amritsar Ranchi Coimbatore
    Kochi Guwahati Chandigarh Mysuru Gurugram Noida Thane Visakhapatnam Bhubaneswar Dehradun Raipur
    Madurai Jodhpur Kozhikode
    """
)

MAIL_DOMAINS = (
    "mail.example.com",
    "inbox.example.com",
    "post.example.net",
    "letters.example.org",
    "mymail.example.net",
    "work.example.org",
)

MISTYPED_DOMAINS = (
    "mail.exmaple.com",
    "inbox.example.con",
    "post.exampel.net",
    "letters.example.ogr",
    "mymial.example.net",
    "wrok.example.org",
)

QUESTION_ANSWERS = (
    "Working professional",
    "Student, final year",
    "Student, first or second year",
    "Looking for a career switch",
    'Heard about it, but "not sure yet"',
    "CA / CMA aspirant",
    "Own business",
    "",
)

INDUSTRIES = ("Banking", "Education", "Health Care", "Logistics", "Manufacturing", "Retail", "Software")

COMPANIES = (
    "Northlight Advisory",
    "Sundaram Ledger Works",
    "Peepal Finserv",
    "Blue Kite Analytics",
    "Monsoon Retail",
    "Kesar Textiles",
    "Harbour & Hill",
    "Indus Audit Partners",
    "Tamarind Software",
    "Lotus Logistics",
    "Granite Insurance",
    "Saffron Foods",
)

INDUSTRIES = (
    "Financial services",
    "Audit and tax",
    "Banking",
    "Software",
    "Retail",
    "Manufacturing",
    "Manufacturing",
    "Audit and tax",
    "Software",
    "Logistics",
    "Insurance",
    "Food",
)

EMPLOYEES = (
    "Anvi Rao",
    "Bharat Nene",
    "Charu Bedi",
    "Dinesh Kamat",
    "Ekta Vora",
    "Firoz Daruwala",
    "Gauri Sane",
    "Hitesh Lad",
    "Ira Bhonsle",
    "Jayant More",
    "Kritika Dave",
    "Lokesh Naik",
    "Mitali Ganguly",
    "Nakul Barve",
    "Oviya Selvan",
    "Parag Dighe",
)

TEAMS = ("North", "West", "South", "Online")

CONDUCTORS = ("Meenal Sathe", "Rustom Kapadia", "Tara Vaidya", "Nirmal Chitale")
STAFF = (*CONDUCTORS, "Olivia Lobo", "Hiren Sampat", "Jui Karnik", "Percy Daver")
